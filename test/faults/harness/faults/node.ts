/** Faults of one node of a cluster, while the others go on. */

import type { Server } from '../../../support/server.ts';
import type { Random } from '../random.ts';
import type { Fault, World } from '../world.ts';

export const nodeFaults: ReadonlyArray<Fault> = [
  {
    name: 'node-killed',
    lasts: [500, 5000],
    comesFirst: true,
    possible: ({ broker }) => broker.leader !== undefined,
    run: async (world, lasts, random) => {
      const { node, name } = await choose(world, random);
      await node.kill();
      await world.sleep(lasts);
      await node.restart();
      return `kill -9 of ${name}`;
    },
  },
  {
    name: 'node-restarted',
    lasts: [500, 3000],
    comesFirst: true,
    possible: ({ broker }) => broker.leader !== undefined,
    run: async (world, lasts, random) => {
      const { node, name } = await choose(world, random);
      await node.stop();
      await world.sleep(lasts);
      await node.restart();
      return `stop and start of ${name}`;
    },
  },
];

/** Each second time the one that leads the queue or stream. */
async function choose(
  { broker }: World,
  random: Random,
): Promise<{ readonly node: Server; readonly name: string }> {
  const any = random.pick(broker.nodes);
  const leader = random.next() < 0.5 ? await broker.leader?.() : undefined;
  const node = leader ?? any;
  return {
    node,
    name: `node ${broker.nodes.indexOf(node) + 1}${leader === undefined ? '' : ', the leader'}`,
  };
}
