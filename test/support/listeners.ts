/** Programs that listen for notifications, one for each protocol. */

import { connect as connectNats } from '@nats-io/transport-node';
import { connect as connectRabbitmq } from 'amqplib';
import mqtt from 'mqtt';
import { listen } from './amqp10.ts';
import { requestIdIn } from './notices.ts';

export interface HeardNotification {
  /** The protocol's own property. */
  readonly messageId: string | undefined;
  readonly requestId: string;
  /** The properties whose names the publisher chooses. */
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface NotificationListener {
  /** Everything that was heard so far, in order. */
  readonly heard: ReadonlyArray<HeardNotification>;
}

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/**
 * Listens on a topic of the transport that this entry configures. Resolves once nothing is missed any more.
 *
 * @param entry of a transport, whose URL has no proxy.
 * @param exchange on AMQP 0-9-1: the transport's.
 */
export async function listenForNotifications(
  t: Test,
  { kind, url }: Readonly<Record<string, unknown>>,
  topic: string,
  exchange = 'trove',
): Promise<NotificationListener> {
  const heard: HeardNotification[] = [];
  const hear = (messageId: unknown, body: Uint8Array, properties: object = {}) =>
    void heard.push({
      messageId: typeof messageId === 'string' ? messageId : undefined,
      requestId: requestIdIn(body),
      properties: { ...properties },
    });
  const address = String(url);
  if (kind === 'mqtt') {
    const client = await mqtt.connectAsync(address, { protocolVersion: 5 });
    t.teardown(() => client.endAsync());
    client.on('message', (_topic, body, { properties }) =>
      hear(properties?.userProperties?.['message-id'], body, properties?.userProperties),
    );
    await client.subscribeAsync(topic, { qos: 1 });
  } else if (kind === 'nats') {
    const connection = await connectNats({ servers: address });
    t.teardown(() => connection.close());
    connection.subscribe(topic, {
      callback(_error, { headers, data }) {
        const entries = [...(headers ?? [])].map(([name, values]) => [name, values[0]]);
        hear(headers?.get('Nats-Msg-Id'), data, Object.fromEntries(entries));
      },
    });
    await connection.flush();
  } else {
    // Over AMQP 1.0 too the notifications go to a queue of this name.
    const connection = await connectRabbitmq(address);
    t.teardown(() => connection.close());
    const channel = await connection.createChannel();
    await channel.assertQueue(topic, { durable: true });
    await channel.bindQueue(topic, exchange, topic);
    await channel.consume(topic, (message) => {
      if (message === null) return;
      hear(message.properties.messageId, message.content, message.properties.headers);
      channel.ack(message);
    });
  }
  return { heard };
}

/**
 * The same over AMQP 1.0 itself: RabbitMQ hides the application properties from listeners of AMQP 0-9-1.
 *
 * @param entry of a transport on RabbitMQ, whose user is guest.
 */
export async function listenOverAmqp10(
  t: Test,
  { url }: Readonly<Record<string, unknown>>,
  topic: string,
): Promise<NotificationListener> {
  const heard: HeardNotification[] = [];
  const { port, pathname } = new URL(String(url));
  const vhost = decodeURIComponent(pathname.slice(1));
  const address = `/queue/${topic}`;
  const { close } = await listen({ port: Number(port), vhost, user: 'guest', address }, (message) =>
    heard.push({
      messageId: String(message.message_id),
      requestId: requestIdIn(message.body.content),
      properties: { ...message.application_properties },
    }),
  );
  t.teardown(close);
  return { heard };
}
