import { randomUUID } from 'node:crypto';
import { freePort } from '../ports.ts';
import { nodeName, type RabbitmqControl, rabbitmqPorts, startMapper, startRabbitmq } from '../rabbitmq.ts';
import type { Rabbitmq } from '../rabbitmq-api.ts';
import type { Server } from '../server.ts';
import { waitFor } from '../wait.ts';

export type RabbitmqNode = Rabbitmq & Server & RabbitmqControl & { readonly name: string };

export interface RabbitmqNodes {
  /** Three. */
  readonly nodes: readonly [RabbitmqNode, ...RabbitmqNode[]];
  /** Ends the port mapper that the nodes share, after them. */
  end(): Promise<unknown>;
}

/** Three nodes of the system's RabbitMQ. */
export async function startRabbitmqNodes(): Promise<RabbitmqNodes> {
  const mapper = await freePort();
  const mapping = await startMapper(mapper, { PATH: process.env.PATH, HOME: '/nonexistent' });
  const ports = [];
  for (let node = 0; node < 3; node++) ports.push(await rabbitmqPorts({ mapper, mapperRuns: true }));
  const settings = [
    'cluster_formation.peer_discovery_backend = classic_config',
    ...ports.map((one, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${nodeName(one)}`),
    `cluster_name = ${randomUUID()}`,
  ];
  const [first, ...others] = await Promise.all(
    ports.map(async (one): Promise<RabbitmqNode> => {
      const server = await startRabbitmq({ ports: one, settings });
      const { restart } = server;
      return Object.assign(server, {
        name: nodeName(one),
        restart: () => persistently(restart),
        queueArguments: { 'x-queue-type': 'quorum' },
      });
    }),
  );
  if (first === undefined) throw new Error('a cluster has a first node');
  const nodes = [first, ...others] as const;
  const areJoined = async () => {
    const known = await first.request('GET', '/nodes');
    return Array.isArray(known) && known.filter((one) => one.running === true).length === nodes.length;
  };
  await waitFor(areJoined, { what: 'the nodes to have joined', timeout: 30_000 });
  return { nodes, end: mapping.kill };
}

/** As a service manager does: nodes of RabbitMQ 3.10 that start at the same time may end over each other (incompatible_feature_flags). */
async function persistently(start: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await start();
    } catch (error) {
      if (attempt === 5) throw error;
    }
}

/**
 * Three nodes, whose queues are quorum queues. The cluster is reached at the first one, which is the one that `restart()` restarts,
 * while the others go on.
 */
export async function startRabbitmqCluster(): Promise<Rabbitmq & Server> {
  const { nodes, end } = await startRabbitmqNodes();
  // What ends the first one is about to be what ends all.
  const [stops, kills] = [nodes.map(({ stop }) => stop), nodes.map(({ kill }) => kill)];
  const all = async (ends: ReadonlyArray<() => Promise<void>>) => {
    await Promise.all(ends.map((one) => one()));
    await end();
  };
  return Object.assign(nodes[0], { stop: () => all(stops), kill: () => all(kills) });
}
