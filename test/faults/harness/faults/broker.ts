/** Faults of the broker's process. */
import type { Fault, World } from '../world.ts';

export const brokerFaults: ReadonlyArray<Fault> = [
  {
    name: 'broker-kill',
    lasts: [100, 2000],
    run: async (world, lasts) => {
      await away(world, lasts, () => world.broker.server.kill());
      return 'kill -9 of the broker';
    },
  },
  {
    name: 'broker-restart',
    lasts: [200, 1000],
    run: async (world, lasts) => {
      await away(world, lasts, () => world.broker.server.stop());
      return 'stop and start of the broker';
    },
  },
];

async function away(world: World, lasts: number, end: () => Promise<void>): Promise<void> {
  const { broker, publishing, replicas, sleep } = world;
  if (broker.forgetsSubscriptions) await publishing.pause();
  await end();
  await sleep(lasts);
  // While it is away: a replica may have connected anew shortly before, for another reason.
  const ended = Date.now();
  await broker.server.restart();
  await Promise.all(replicas.map((replica) => replica.consumes(ended)));
  publishing.resume();
}
