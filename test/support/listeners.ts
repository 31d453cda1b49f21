/** Programs that listen for notifications, one for each protocol. */

import { connect as connectNats } from '@nats-io/transport-node';
import { connect as connectRabbitmq } from 'amqplib';
import mqtt from 'mqtt';
import { requestIdIn } from './notices.ts';

export interface HeardNotification {
  /** The protocol's own property. */
  readonly messageId: string | undefined;
  readonly requestId: string;
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
 */
export async function listenForNotifications(
  t: Test,
  { kind, url }: Readonly<Record<string, unknown>>,
  topic: string,
): Promise<NotificationListener> {
  const heard: HeardNotification[] = [];
  const hear = (messageId: unknown, body: Uint8Array) =>
    void heard.push({
      messageId: typeof messageId === 'string' ? messageId : undefined,
      requestId: requestIdIn(body),
    });
  const address = String(url);
  if (kind === 'mqtt') {
    const client = await mqtt.connectAsync(address, { protocolVersion: 5 });
    t.teardown(() => client.endAsync());
    client.on('message', (_topic, body, { properties }) =>
      hear(properties?.userProperties?.['message-id'], body),
    );
    await client.subscribeAsync(topic, { qos: 1 });
  } else if (kind === 'nats') {
    const connection = await connectNats({ servers: address });
    t.teardown(() => connection.close());
    connection.subscribe(topic, {
      callback: (_error, message) => hear(message.headers?.get('Nats-Msg-Id'), message.data),
    });
    await connection.flush();
  } else {
    // Over AMQP 1.0 too the notifications go to a queue of this name.
    const connection = await connectRabbitmq(address);
    t.teardown(() => connection.close());
    const channel = await connection.createChannel();
    await channel.assertQueue(topic, { durable: true });
    await channel.bindQueue(topic, 'trove', topic);
    await channel.consume(topic, (message) => {
      if (message === null) return;
      hear(message.properties.messageId, message.content);
      channel.ack(message);
    });
  }
  return { heard };
}
