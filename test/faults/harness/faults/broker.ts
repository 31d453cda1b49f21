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
    lasts: [0, 1000],
    run: async (world, lasts) => {
      await away(world, lasts, () => world.broker.server.stop());
      return 'stop and start of the broker';
    },
  },
];

async function away(world: World, lasts: number, end: () => Promise<void>): Promise<void> {
  const { broker, publishing, replicas, sleep } = world;
  const before = replicas.map((replica) => replica.consumed);
  if (broker.forgetsSubscriptions) await publishing.pause();
  await end();
  await sleep(lasts);
  await broker.server.restart();
  await Promise.all(replicas.map((replica, index) => replica.consumes((before[index] ?? 0) + 1)));
  publishing.resume();
}
