import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Publisher } from '../world.ts';

/** Publishes to a stream, on a subject whose last token is the sender. */
export async function openNats(url: string, subject: string): Promise<Publisher> {
  const connection = await connect({ servers: url, reconnect: false, noAsyncTraces: true, timeout: 5000 });
  const stream = jetstream(connection, { timeout: 30_000 });
  return {
    send: ({ sender, body }, confirmed) => {
      stream.publish(subject.replace('*', sender), body).then(confirmed, () => {
        // Without a confirm it is sent again over another connection.
        void connection.close().catch(() => {});
      });
    },
    ended: connection.closed().then((error) => (error ? error.message : 'closed')),
    close: () => connection.close(),
  };
}
