/** The broker of a round, by transport: servers of its own, to be stopped and killed. */
import { startMosquitto } from '../../support/mosquitto.ts';
import type { Server } from '../../support/server.ts';
import { openMosquitto, type TestBroker } from '../brokers.ts';
import { listenOnMqtt } from './listening.ts';
import { startNatsBroker } from './nats-servers.ts';
import { openMqtt } from './publishers/mqtt.ts';
import { startRabbit } from './rabbitmq-servers.ts';
import type { BrokerChoice, Cleanup, Publisher, RoundBroker, TransportName } from './world.ts';

/** Seconds between two signs of life. */
export const keepalive = 2;

/** A transport whose broker has no cluster, or no secure form, does without. */
export const startBroker: Readonly<
  Record<TransportName, (cleanup: Cleanup, choice: BrokerChoice) => Promise<RoundBroker>>
> = {
  amqp091: (cleanup, choice) => startRabbit(cleanup, 'amqp091', choice),
  amqp10: (cleanup, choice) => startRabbit(cleanup, 'amqp10', choice),
  mqtt: startMqtt,
  nats: startNatsBroker,
};

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
    listen: () => listenOnMqtt(cleanup, server.url),
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
