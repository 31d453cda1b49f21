import { createSender, type SenderSubject } from '../../../src/conformance/index.ts';
import { transportKinds } from '../../../src/transports/index.ts';
import type { Nats } from '../../support/nats.ts';
import type { Rabbitmq } from '../../support/rabbitmq-api.ts';
import { type ServiceName, service } from '../../support/services.ts';
import { open as openAmqp10 } from '../subjects/amqp10.ts';
import { open as openAmqp10Queue, type QueueBroker } from '../subjects/amqp10-queues.ts';
import { open as openAmqp091 } from '../subjects/amqp091.ts';
import { type MqttBroker, noProperties, open as openMqtt } from '../subjects/mqtt.ts';
import { open as openNats } from '../subjects/nats.ts';
import { make, openNetwork, type Test } from '../subjects/subject.ts';

/** The sending side of a transport, and the service of this run that it takes. */
interface Subject extends SenderSubject {
  readonly needs: ServiceName;
}

/** Of a broker that is there, or starts when it is asked for. */
type Start<Broker> = () => Broker | Promise<Broker>;

/** What is there to be sent to. */
interface Receiving {
  readonly options: Readonly<Record<string, unknown>> & { readonly url: string };
  transport(
    messages: number,
    replica?: string,
  ): ReturnType<Awaited<ReturnType<typeof openNats>>['transport']>;
}

function subjectOf(
  kind: string,
  of: Omit<SenderSubject, 'open' | 'openBehindProxy'>,
  open: (t: Test) => Promise<Receiving>,
  quick: object,
): SenderSubject {
  const sender = (options: object) => () => {
    const found = transportKinds[kind];
    if (found === undefined) throw new Error(`${kind} is not a kind`);
    return createSender(found, { kind, ...options });
  };
  return {
    ...of,
    async open(t) {
      const { options, transport } = await open(t);
      return { transport, sender: sender(options) };
    },
    async openBehindProxy(t) {
      const { options, transport } = await open(t);
      const { url, network } = await openNetwork(t, options.url);
      return { transport, network, sender: sender({ ...options, ...quick, url }) };
    },
  };
}

const heartbeat = { heartbeat: 1, connectTimeout: 1000 };

export function amqp091Sender(name: string, broker: Start<Rabbitmq>): SenderSubject {
  // The queue is bound to keys of two words.
  return subjectOf(
    'amqp091',
    { name, undeliverable: 'nobody.there' },
    async (t) => openAmqp091(t, await broker()),
    heartbeat,
  );
}

export function amqp10Sender(name: string, start: Start<Rabbitmq>): SenderSubject {
  const undeliverable = 'RabbitMQ 3.10 accepts over AMQP 1.0 what no queue is there for';
  return subjectOf(
    'amqp10',
    { name, lacks: { undeliverable } },
    async (t) => {
      const broker = await start();
      const { options: own, vhost } = await openAmqp10(t, broker);
      // The queue of the sender whom the cases call guest.
      const kind = broker.queueArguments && { arguments: broker.queueArguments };
      await broker.request('PUT', `/queues/${vhost}/guest`, { durable: true, ...kind });
      const options = { ...own, target: '/amq/queue/{sender}', address: '/amq/queue/guest' };
      const transport = (messages: number, replica?: string) => make('amqp10', options, messages, replica);
      return { options, transport };
    },
    heartbeat,
  );
}

export function amqp10QueuesSender(name: string, broker: Start<QueueBroker>): SenderSubject {
  const undeliverable = 'the broker makes a queue for whatever is sent';
  return subjectOf(
    'amqp10',
    { name, lacks: { undeliverable } },
    async (t) => openAmqp10Queue(t, await broker()),
    heartbeat,
  );
}

export function mqttSender(name: string, version: '5' | '3.1.1', broker: Start<MqttBroker>): SenderSubject {
  const lacks = {
    properties: noProperties,
    undeliverable: 'a PUBACK of MQTT 3.1.1 cannot say that nobody has the message',
  };
  return subjectOf(
    'mqtt',
    // Nobody subscribes below the sender's level.
    { name, ...(version === '5' ? { undeliverable: 'nobody/there' } : { lacks }) },
    async (t) => {
      const { optionsOf, transport } = await openMqtt(t, await broker(), version);
      return { options: optionsOf(), transport };
    },
    { keepalive: 1, connectTimeout: 1000 },
  );
}

/** @param options go over those of the transport. */
export function natsSender(
  name: string,
  broker: Start<Nats>,
  options?: Readonly<Record<string, unknown>>,
): SenderSubject {
  return subjectOf(
    'nats',
    { name, undeliverable: 'nobody.there' },
    async (t) => {
      const { settings, transport } = await openNats(t, await broker(), { options });
      return { options: settings, transport };
    },
    { pingInterval: 1, connectTimeout: 1000 },
  );
}

const rabbitmq = () => service('rabbitmq');
const mosquitto = () => service('mosquitto');

/** The sending side of every transport. */
export const senders: ReadonlyArray<Subject> = [
  { ...amqp091Sender('amqp091', rabbitmq), needs: 'rabbitmq' },
  { ...amqp10Sender('amqp10', rabbitmq), needs: 'rabbitmq' },
  { ...mqttSender('mqtt 5', '5', mosquitto), needs: 'mosquitto' },
  { ...mqttSender('mqtt 3.1.1', '3.1.1', mosquitto), needs: 'mosquitto' },
  { ...natsSender('nats', () => service('nats')), needs: 'nats' },
];
