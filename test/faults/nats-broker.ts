import { randomUUID } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Nats } from '../support/nats.ts';
import { waitFor } from '../support/wait.ts';
import type { Message, TestBroker } from './brokers.ts';

/** Milliseconds until the messages of a replica that has gone are delivered again. */
const ackWait = 2000;

/**
 * A stream of the test's own, on subjects whose last token the broker's own rules would bind to the sender.
 *
 * @param restarted the server is restarted amid the test. nats-server 2.9 then keeps messages that are acknowledged, which it
 * delivers to nobody; what is up to the consumer's ack floor is removed as the conductor's log says, and counts as gone.
 * @param replicas servers of a cluster that keep each message; `url` may name several, separated by commas.
 */
export async function openNats(
  { port, url }: Pick<Nats, 'port' | 'url'>,
  { restarted = false, replicas = 1 } = {},
): Promise<TestBroker> {
  const name = `faults-${randomUUID()}`;
  const subject = `${name}.*`;
  const withConnection = async <T>(work: (connection: NatsConnection) => Promise<T>): Promise<T> => {
    const connection = await connect({ servers: url.split(','), reconnect: false, noAsyncTraces: true });
    try {
      return await work(connection);
    } finally {
      await connection.close();
    }
  };
  await withConnection(async (connection) => {
    const manager = await jetstream(connection).jetstreamManager();
    await manager.streams.add({
      name,
      subjects: [subject],
      retention: 'workqueue',
      storage: 'file',
      num_replicas: replicas,
    });
  });
  return {
    port,
    form: 'native',
    entry: ({ proxy, keepalive } = {}) => ({
      kind: 'nats',
      url: proxy?.url(url) ?? url,
      stream: name,
      subject,
      ackWait,
      auth: { mode: 'subject' },
      ...(keepalive !== undefined && { pingInterval: keepalive }),
    }),
    // A stream keeps messages for whoever comes.
    keep: async () => {},
    publish: (messages: ReadonlyArray<Message>) =>
      withConnection(async (connection) => {
        const stream = jetstream(connection);
        for (let begin = 0; begin < messages.length; begin += publishWindow) {
          const window = messages.slice(begin, begin + publishWindow);
          await Promise.all(window.map(({ sender, body }) => stream.publish(`${name}.${sender}`, body)));
        }
      }),
    // A message goes once it is acknowledged, which the server does in its own time.
    isEmptied: () =>
      withConnection(async (connection) => {
        const manager = await jetstream(connection).jetstreamManager();
        let last = {};
        const isEmpty = async () => {
          const consumer = await manager.consumers.info(name, 'conductor');
          const { num_pending, num_ack_pending, num_waiting, num_redelivered, ack_floor } = consumer;
          const settled = num_pending === 0 && num_ack_pending === 0;
          // Only what is up to the ack floor, and only once nothing else is left: the rest has to be delivered.
          if (restarted && settled) await manager.streams.purge(name, { seq: ack_floor.stream_seq + 1 });
          const { messages, first_seq, last_seq } = (await manager.streams.info(name)).state;
          const orphans = settled && messages > 0 && last_seq <= ack_floor.stream_seq ? messages : 0;
          last = {
            consumer: { num_pending, num_ack_pending, num_waiting, num_redelivered, ack_floor },
            stream: { messages, first_seq, last_seq },
            // What is left beyond them has been lost sight of.
            orphans,
          };
          return settled && messages === 0;
        };
        try {
          // Rarely: to ask costs the server more than to settle.
          return await waitFor(isEmpty, { what: 'the stream to be empty', interval: 200 });
        } catch (error) {
          throw new Error(`the stream is not emptied: ${JSON.stringify(last)}`, { cause: error });
        }
      }),
    // The server counts only what is on its way again at the moment.
    redelivered: async () => undefined,
    // Once `ack_wait` has passed.
    redeliversLast: true,
  };
}

/** Messages that are on their way to the broker at once. */
const publishWindow = 1000;
