import { connect } from 'amqplib';
import type { Publisher } from '../world.ts';

/** Publishes persistent messages to an exchange, on a channel with confirms. */
export async function openAmqp091(
  url: string,
  exchange: string,
  keyOf: (sender: string) => string,
): Promise<Publisher> {
  const connection = await connect(url);
  const ended = new Promise<string>((resolve) => {
    connection.on('error', (error: Error) => resolve(error.message));
    connection.on('close', () => resolve('closed'));
  });
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => void connection.close().catch(() => {}));
  return {
    send: ({ sender, body }, confirmed) => {
      try {
        channel.publish(exchange, keyOf(sender), Buffer.from(body), { persistent: true }, (error) => {
          if (!error) confirmed();
        });
      } catch {
        // The channel has ended; so will the connection.
      }
    },
    ended,
    close: () => connection.close(),
  };
}
