import { createSender, type SenderSubject } from '../../../src/conformance/index.ts';
import { transportKinds } from '../../../src/transports/index.ts';
import { type ServiceName, service } from '../../support/services.ts';
import { open as openAmqp10 } from '../subjects/amqp10.ts';
import { open as openAmqp091 } from '../subjects/amqp091.ts';
import { noProperties, open as openMqtt } from '../subjects/mqtt.ts';
import { open as openNats } from '../subjects/nats.ts';
import { make, openNetwork, quick, type Test } from '../subjects/subject.ts';

/** The sending side of a transport, and the service of this run that it takes. */
interface Subject extends SenderSubject {
  readonly needs: ServiceName;
}

/** What is there to be sent to. */
interface Receiving {
  optionsOf(): Readonly<Record<string, unknown>> & { readonly url: string };
  transport(
    messages: number,
    replica?: string,
  ): ReturnType<Awaited<ReturnType<typeof openNats>>['transport']>;
}

function subjectOf(
  kind: string,
  of: Omit<Subject, 'open' | 'openBehindProxy'>,
  open: (t: Test) => Promise<Receiving>,
): Subject {
  const sender = (options: object) => () => {
    const found = transportKinds[kind];
    if (found === undefined) throw new Error(`${kind} is not a kind`);
    return createSender(found, { kind, ...options });
  };
  return {
    ...of,
    async open(t) {
      const { optionsOf, transport } = await open(t);
      return { transport, sender: sender(optionsOf()) };
    },
    async openBehindProxy(t) {
      const { optionsOf, transport } = await open(t);
      const options = optionsOf();
      const { url, network } = await openNetwork(t, options.url);
      return { transport, network, sender: sender({ ...options, ...quick[kind], url }) };
    },
  };
}

const mqtt = (version: '5' | '3.1.1') =>
  subjectOf(
    'mqtt',
    {
      name: `mqtt ${version}`,
      needs: 'mosquitto',
      // Nobody subscribes below the sender's level.
      ...(version === '5'
        ? { undeliverable: 'nobody/there' }
        : {
            lacks: {
              properties: noProperties,
              undeliverable: 'a PUBACK of MQTT 3.1.1 cannot say that nobody has the message',
            },
          }),
    },
    (t) => openMqtt(t, service('mosquitto'), version),
  );

/** The sending side of every transport. */
export const senders: ReadonlyArray<Subject> = [
  subjectOf(
    'amqp091',
    // The queue is bound to keys of two words.
    { name: 'amqp091', needs: 'rabbitmq', undeliverable: 'nobody.there' },
    (t) => openAmqp091(t, service('rabbitmq')),
  ),
  subjectOf(
    'amqp10',
    {
      name: 'amqp10',
      needs: 'rabbitmq',
      lacks: { undeliverable: 'RabbitMQ 3.10 accepts over AMQP 1.0 what no queue is there for' },
    },
    async (t) => {
      const broker = service('rabbitmq');
      const { optionsOf, vhost } = await openAmqp10(t, broker);
      // The queue of the sender whom the cases call guest.
      await broker.request('PUT', `/queues/${vhost}/guest`, { durable: true });
      const options = { ...optionsOf(), target: '/amq/queue/{sender}', address: '/amq/queue/guest' };
      const transport = (messages: number, replica?: string) => make('amqp10', options, messages, replica);
      return { optionsOf: () => options, transport };
    },
  ),
  mqtt('5'),
  mqtt('3.1.1'),
  subjectOf('nats', { name: 'nats', needs: 'nats', undeliverable: 'nobody.there' }, (t) =>
    openNats(t, service('nats')),
  ),
];
