/** The broker of a round, by transport: a server of its own, to be stopped and killed. */
import { startMosquitto } from '../../support/mosquitto.ts';
import { startNats } from '../../support/nats.ts';
import { startRabbitmq } from '../../support/rabbitmq.ts';
import { openMosquitto, openRabbitmq, openRabbitmqAmqp10, type TestBroker } from '../brokers.ts';
import { openNats as openNatsBroker } from '../nats-broker.ts';
import { openAmqp10 } from './publishers/amqp10.ts';
import { openAmqp091 } from './publishers/amqp091.ts';
import { openMqtt } from './publishers/mqtt.ts';
import { openNats } from './publishers/nats.ts';
import type { Cleanup, RoundBroker, TransportName } from './world.ts';

/** Seconds between two signs of life. */
const keepalive = 2;

export const startBroker: Readonly<Record<TransportName, (cleanup: Cleanup) => Promise<RoundBroker>>> = {
  amqp091: (cleanup) => startRabbit(cleanup, 'amqp091'),
  amqp10: (cleanup) => startRabbit(cleanup, 'amqp10'),
  mqtt: startMqtt,
  nats: startNatsBroker,
};

async function startRabbit(cleanup: Cleanup, kind: 'amqp091' | 'amqp10'): Promise<RoundBroker> {
  const server = await startRabbitmq();
  cleanup.teardown(server.kill);
  // The virtual host goes with its server.
  const test = { teardown: () => {} };
  const broker =
    kind === 'amqp091' ? await openRabbitmq(test, server, 'native') : await openRabbitmqAmqp10(test, server);
  const url = textAt(broker.entry(), 'url');
  return {
    label: 'RabbitMQ',
    server,
    ...common(broker),
    entry: (_, throughProxy) => ({ ...broker.entry({ keepalive }), url: throughProxy(url) }),
    // Of the node's memory; the default is 0.4 of the machine's.
    alarm: (on) => server.control('set_vm_memory_high_watermark', on ? '0.00001' : '0.4'),
    service: { kind, url, codec: broker.form },
    open: () => (kind === 'amqp091' ? openAmqp091(url) : openAmqp10(url)),
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
    port: broker.port,
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

async function startNatsBroker(cleanup: Cleanup): Promise<RoundBroker> {
  const server = await startNats();
  cleanup.teardown(server.kill);
  const broker = await openNatsBroker(server, { restarted: true });
  const [subject, stream] = [textAt(broker.entry(), 'subject'), textAt(broker.entry(), 'stream')];
  return {
    label: 'nats-server',
    server,
    ...common(broker),
    entry: (_, throughProxy) => ({ ...broker.entry({ keepalive }), url: throughProxy(server.url) }),
    service: { kind: 'nats', url: server.url, subject, stream },
    open: () => openNats(server.url, subject),
    excluded: new Map(),
  };
}

function common(broker: TestBroker): Pick<RoundBroker, 'port' | 'form' | 'left' | 'leftYet'> {
  const left = async () => ((await broker.isEmptied()) ? undefined : 'messages in the queue');
  return { port: broker.port, form: broker.form, left, leftYet: left };
}

function textAt(entry: Record<string, unknown>, key: string): string {
  const value = entry[key];
  if (typeof value !== 'string') throw new TypeError(`the entry has no ${key}`);
  return value;
}
