/** The broker of a round, by transport: servers of its own, to be stopped and killed. */
import { startRabbitmqNodes } from '../../support/brokers/rabbitmq-cluster.ts';
import { startMosquitto } from '../../support/mosquitto.ts';
import { startRabbitmq } from '../../support/rabbitmq.ts';
import type { Server } from '../../support/server.ts';
import { openMosquitto, openRabbitmq, openRabbitmqAmqp10, type TestBroker } from '../brokers.ts';
import { startNatsBroker } from './nats-servers.ts';
import { openAmqp10 } from './publishers/amqp10.ts';
import { openAmqp091 } from './publishers/amqp091.ts';
import { openMqtt } from './publishers/mqtt.ts';
import type { Cleanup, Publisher, RoundBroker, TransportName } from './world.ts';

/** Seconds between two signs of life. */
export const keepalive = 2;

/** Where a cluster is asked for and the broker has none, it is one server. */
export const startBroker: Readonly<
  Record<TransportName, (cleanup: Cleanup, isClustered: boolean) => Promise<RoundBroker>>
> = {
  amqp091: (cleanup, isClustered) => startRabbit(cleanup, 'amqp091', isClustered),
  amqp10: (cleanup, isClustered) => startRabbit(cleanup, 'amqp10', isClustered),
  mqtt: startMqtt,
  nats: startNatsBroker,
};

async function startRabbit(
  cleanup: Cleanup,
  kind: 'amqp091' | 'amqp10',
  isClustered: boolean,
): Promise<RoundBroker> {
  const { nodes, end } = isClustered
    ? await startRabbitmqNodes()
    : { nodes: [await startRabbitmq()] as const, end: async () => {} };
  const server = together(nodes);
  cleanup.teardown(end);
  cleanup.teardown(server.kill);
  const [first] = nodes;
  // The virtual host goes with its server.
  const test = { teardown: () => {} };
  const broker =
    kind === 'amqp091' ? await openRabbitmq(test, first, 'native') : await openRabbitmqAmqp10(test, first);
  const url = textAt(broker.entry(), 'url');
  const urls = nodes.map(({ port }) => url.replace(`:${first.port}`, `:${port}`));
  const queue = kind === 'amqp091' ? 'conductor' : 'trove-conductor';
  const leader = async () => {
    const found = await first.request('GET', `/queues${new URL(url).pathname}/${queue}`);
    return nodes.find(
      (one) =>
        typeof found === 'object' &&
        found !== null &&
        'leader' in found &&
        'name' in one &&
        found.leader === one.name,
    );
  };
  return {
    label: isClustered ? 'RabbitMQ, three nodes, quorum queue' : 'RabbitMQ',
    server,
    nodes,
    ports: nodes.map(({ port }) => port),
    ...(isClustered && { leader }),
    ...common(broker),
    entry: (_, throughProxy) => ({
      ...broker.entry({ keepalive }),
      ...(isClustered && kind === 'amqp091' && { queueArguments: { 'x-queue-type': 'quorum' } }),
      url: throughProxy(urls.join(',')),
    }),
    // Of the node's memory; the default is 0.4 of the machine's.
    alarm: (on) => first.control('set_vm_memory_high_watermark', on ? '0.00001' : '0.4'),
    service: { kind, url: urls.join(','), codec: broker.form },
    open: inTurn(urls, kind === 'amqp091' ? openAmqp091 : openAmqp10),
    excluded: new Map(),
  };
}

async function startMqtt(cleanup: Cleanup): Promise<RoundBroker> {
  const server = await startMosquitto();
  cleanup.teardown(server.kill);
  const broker = openMosquitto(server);
  const topic = textAt(broker.entry(), 'topic');
  return {
    label: 'Mosquitto',
    server,
    nodes: [server],
    ports: [broker.port],
    form: broker.form,
    // A replica that is killed comes back under its name, and its session waits for it.
    entry: (replica, throughProxy) => ({
      ...broker.entry({ replica, keepalive }),
      keepSession: true,
      url: throughProxy(server.url),
    }),
    service: { kind: 'mqtt', url: server.url, topic },
    open: () => openMqtt(server.url, topic),
    left: async (replicas) => {
      const kept = await Promise.all(
        replicas.map(async (name) => ((await broker.isEmptied(name)) ? [] : [`the session of ${name}`])),
      );
      return kept.flat().join(', ') || undefined;
    },
    forgetsSubscriptions: true,
    excluded: new Map([
      [
        'broker-kill',
        'Mosquitto 2.0.11 writes its file at a stop, so a kill loses all that it has confirmed and not delivered',
      ],
    ]),
  };
}

export function common(broker: TestBroker): Pick<RoundBroker, 'form' | 'left' | 'leftYet'> {
  const left = async () => ((await broker.isEmptied()) ? undefined : 'messages in the queue');
  return { form: broker.form, left, leftYet: left };
}

/** All nodes at once. */
export function together(nodes: ReadonlyArray<Server>): RoundBroker['server'] {
  const all = (act: (node: Server) => Promise<void>) => async () => void (await Promise.all(nodes.map(act)));
  return {
    stop: all((node) => node.stop()),
    kill: all((node) => node.kill()),
    restart: all((node) => node.restart()),
  };
}

/** Each connection goes to the next address. */
export function inTurn(
  urls: ReadonlyArray<string>,
  open: (url: string) => Promise<Publisher>,
): () => Promise<Publisher> {
  let count = 0;
  return () => {
    count += 1;
    return open(urls[count % urls.length] ?? '');
  };
}

export function textAt(entry: Record<string, unknown>, key: string): string {
  const value = entry[key];
  if (typeof value !== 'string') throw new TypeError(`the entry has no ${key}`);
  return value;
}
