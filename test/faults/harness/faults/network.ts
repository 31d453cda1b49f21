/** Faults of the network between a replica and the broker, and between it and Postgres. */
import type { Network } from '../proxies.ts';
import type { Random } from '../random.ts';
import type { Fault, World } from '../world.ts';

type Side = 'broker' | 'postgres';

const sides: ReadonlyArray<Side> = ['broker', 'postgres'];

export const networkFaults: ReadonlyArray<Fault> = sides.flatMap((side): Fault[] => [
  {
    name: `${side}-cut`,
    lasts: [0, 2000],
    run: async (world, lasts, random) => {
      const { proxy, name } = choose(world, side, random);
      proxy.cut();
      proxy.refuse();
      try {
        await world.sleep(lasts);
      } finally {
        await proxy.restore();
      }
      return `${name}: connections reset, new ones refused`;
    },
  },
  {
    name: `${side}-half-open`,
    lasts: [500, 8000],
    run: async (world, lasts, random) => {
      const { proxy, name } = choose(world, side, random);
      proxy.halfOpen();
      try {
        await world.sleep(lasts);
      } finally {
        await proxy.restore();
      }
      return `${name}: all bytes swallowed`;
    },
  },
  {
    name: `${side}-slow`,
    lasts: [1000, 4000],
    run: async (world, lasts, random) => {
      const { proxy, name } = choose(world, side, random);
      const delay = random.between(20, 400);
      proxy.delay(delay);
      try {
        await world.sleep(lasts);
      } finally {
        await proxy.restore();
      }
      return `${name}: ${delay} ms either way`;
    },
  },
]);

function choose(
  world: World,
  side: Side,
  random: Random,
): { readonly proxy: Network; readonly name: string } {
  const replica = random.pick(world.replicas);
  return { proxy: side === 'broker' ? replica.toBroker : replica.toDatabase, name: replica.name };
}
