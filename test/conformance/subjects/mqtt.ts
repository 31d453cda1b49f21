import { randomUUID } from 'node:crypto';
import mqtt, { type MqttClient } from 'mqtt';
import type { Reply } from '../../../src/core/message/request.ts';
import type { OutgoingMessage } from '../../../src/core/transport/sender.ts';
import { type Mosquitto, startMosquitto } from '../../support/mosquitto.ts';
import { password, secureMosquitto, tlsOf, user } from '../../support/secure-brokers.ts';
import { service } from '../../support/services.ts';
import { hostileMessages } from '../hostile/mqtt.ts';
import { commonRefusals } from './refusals.ts';
import {
  type Brokers,
  type ConformanceSubject,
  commonOffers,
  make,
  type Subject,
  type Test,
} from './subject.ts';

type Version = '5' | '3.1.1';

/** Of both ends, in seconds and milliseconds: cases wait for it. */
const quick = { keepalive: 1, connectTimeout: 1000 };

/** What MQTT 3.1.1 lacks. */
export const noProperties =
  'MQTT 3.1.1 has no properties to carry message id, reply address and correlation id: a call says them in its body (message_id, reply_to, correlation_id), which is for the codec to read';

/** The Mosquitto of this run. */
export function mqttSubject(version: Version): Subject {
  const brokers = { plain: () => service('mosquitto'), secure: secureMosquitto, lacks: { balance } };
  return {
    ...mqttSubjectOn(`mqtt ${version}`, version, brokers),
    needs: 'mosquitto',
    async openWithLimit(t) {
      const tooLarge = 100_000;
      const broker = await startMosquitto({ settings: [`max_packet_size ${tooLarge}`] });
      t.teardown(broker.kill);
      const opened = await mqttSubjectOn('limited', version, { plain: () => broker }).openWithCallers?.(t);
      if (opened === undefined) throw new Error('it has no callers');
      return { ...opened, tooLarge };
    },
  };
}

const balance = 'Mosquitto hands the messages of a shared subscription out in turn, whoever has room';

/** A broker; with TLS over WebSockets too, or without. */
export type MqttBroker = Mosquitto & { readonly webSocketPort?: number };

export function mqttSubjectOn(
  name: string,
  version: Version,
  brokers: Brokers<MqttBroker>,
): ConformanceSubject {
  const { secure, options: settings, lacks } = brokers;
  const openOn = (t: Test, broker: MqttBroker) => open(t, broker, version, settings);
  const openPlain = async (t: Test) => openOn(t, await brokers.plain());
  return {
    ...commonOffers({
      kind: 'mqtt',
      quick,
      brokers,
      open: openOn,
      optionsOf: (opened, replica) => opened.optionsOf(replica),
      reconnect: (opened) => opened.reconnect(),
    }),
    name,
    settlesOutOfOrder: true,
    boundedByBroker: version === '5',
    lacks: {
      ...lacks,
      impatient: 'MQTT brokers wait for a PUBACK for as long as the connection lasts',
      ...(version === '3.1.1' && {
        callers: noProperties,
        limit: noProperties,
      }),
    },
    open: async (t, options) => open(t, await brokers.plain(), version, { ...settings, ...options }),
    async openWithCallers(t) {
      const { publisher, topic, ...opened } = await openPlain(t);
      const replies: Reply[] = [];
      const replyTo = `replies/${randomUUID()}`;
      publisher.on('message', (_topic, body, { properties }) =>
        replies.push({ body, correlationId: properties?.correlationData?.toString() }),
      );
      await publisher.subscribeAsync(replyTo, { qos: 1 });
      const send = async (message: OutgoingMessage) => {
        const { sender, body, messageId, replyTo, correlationId, expiration } = message;
        const properties = {
          userProperties: { 'message-id': messageId },
          ...(replyTo !== undefined && { responseTopic: replyTo }),
          ...(correlationId !== undefined && { correlationData: Buffer.from(correlationId) }),
          ...(expiration !== undefined && { messageExpiryInterval: expiration / 1000 }),
        };
        await publisher.publishAsync(`${topic}/${sender}`, Buffer.from(body), { qos: 1, properties });
      };
      return { ...opened, send, replyTo, replies, goneReplyTo: `gone/${randomUUID()}` };
    },
    async openWithHostile(t) {
      const { port } = await brokers.plain();
      const opened = await openPlain(t);
      return { ...opened, hostile: hostileMessages(port, version, opened.topic) };
    },
    async openDeletable(t) {
      const opened = await openPlain(t);
      // Another one of the same name, that keeps nothing.
      const takeOver = async () => {
        const { clientId } = opened.optionsOf();
        const client = await mqtt.connectAsync(opened.url, { clientId, clean: true, reconnectPeriod: 0 });
        await client.endAsync();
      };
      const says = /another connection has the client id/;
      return { ...opened, deletions: { 'the session': { delete: takeOver, says } } };
    },
    ...(secure && {
      async openSecure(t) {
        const broker = await secure();
        const { optionsOf, ...opened } = await openOn(t, broker);
        const { ca, client } = broker.certificates;
        const url = `mqtts://127.0.0.1:${broker.tlsPort}`;
        const good = { url, user, password, tls: tlsOf(ca, client) };
        const transport = (messages: number, more: object, replica?: string) =>
          make('mqtt', { ...optionsOf(replica), ...good, ...more }, messages);
        const { wrong, refusals } = commonRefusals({
          kind: 'mqtt',
          good: { ...optionsOf(randomUUID()), ...good },
          certificates: broker.certificates,
        });
        return {
          ...opened,
          transport: (messages, replica) => transport(messages, {}, replica),
          refusals: {
            ...refusals,
            'no user': wrong({ user: '', password: '' }, /look at user, password and passwordFile/),
            ...(broker.webSocketPort !== undefined && {
              'another name over WebSockets': wrong(
                {
                  url: `wss://127.0.0.1:${broker.webSocketPort}`,
                  tls: { ...tlsOf(ca, client), serverName: 'broker.example' },
                },
                /^tls\.serverName: .*broker\.example/,
              ),
              'no client certificate over WebSockets': wrong(
                { url: `wss://127.0.0.1:${broker.webSocketPort}`, tls: tlsOf(ca) },
                /set tls\.cert and tls\.key$/,
              ),
            }),
          },
        };
      },
    }),
  };
}

/** A topic of the case's own, for which the broker keeps messages from now on. */
export async function open(
  t: Test,
  { url }: MqttBroker,
  version: Version,
  more: Record<string, unknown> = {},
) {
  const topic = `conformance/${randomUUID()}`;
  const id = randomUUID();
  let publisher = await connectPublisher(url);
  // Brokers keep messages for sessions that exist.
  const first = await mqtt.connectAsync(url, {
    clientId: `${id}-one`,
    clean: false,
    ...(version === '5'
      ? { protocolVersion: 5, properties: { sessionExpiryInterval: 3600 } }
      : { protocolVersion: 4 }),
  });
  await first.subscribeAsync(`$share/conformance/${topic}/+`, { qos: 1 });
  await first.endAsync();
  const optionsOf = (replica = 'one') => ({
    url,
    version,
    topic: `${topic}/+`,
    group: 'conformance',
    // What is refused waits in the socket for a quarter of it; then the session ends, which is another story.
    keepalive: 120,
    auth: { mode: 'subject' },
    clientId: `${id}-${replica}`,
    // Replicas leave for good: their share is for those that stay.
    keepSession: false,
    ...more,
  });
  t.teardown(async () => {
    await publisher.endAsync();
    // Ends the session that the broker keeps, with whatever the case has left in it.
    const ending = make('mqtt', { ...optionsOf(), keepSession: false }, 1000);
    const last = await ending.connect((delivery) => {
      setImmediate(() => delivery.session.settle([delivery], 'done'));
      return true;
    });
    const deadline = AbortSignal.timeout(5000);
    await last.drain(deadline);
    await last.stop(deadline);
  });
  return {
    url,
    topic,
    optionsOf,
    publisher,
    reconnect: async () => {
      await publisher.endAsync(true);
      publisher = await connectPublisher(url);
    },
    transport: (messages: number, replica?: string, bytes?: number) =>
      make('mqtt', optionsOf(replica), messages, replica, bytes),
    publish: async (sender: string, body: Buffer) =>
      void (await publisher.publishAsync(`${topic}/${sender}`, body, { qos: 1 })),
  };
}

async function connectPublisher(url: string): Promise<MqttClient> {
  const publisher = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
  publisher.on('error', () => {});
  return publisher;
}
