/** Publishes over AMQP 0-9-1 in bytes that no client library writes. */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { type ConfirmChannel, connect } from 'amqplib';
import { waitFor } from './wait.ts';

/** How many are on their way to the broker at once. */
const window = 2000;

/** What has been published and not confirmed yet, on one channel. */
export class Raw {
  private readonly socket: Socket;
  private readonly waiting = new Set<number>();
  private last = 0;
  private refused: Error | undefined;

  constructor(socket: Socket, channel: ConfirmChannel) {
    this.socket = socket;
    channel.on('error', (error) => this.fail(error));
    channel.on('nack', ({ deliveryTag }) =>
      this.fail(new Error(`RabbitMQ does not take message ${deliveryTag}`)),
    );
    channel.on('ack', ({ deliveryTag, multiple }) => {
      if (!multiple) this.waiting.delete(deliveryTag);
      else for (const tag of this.waiting) if (tag <= deliveryTag) this.waiting.delete(tag);
    });
  }

  fail(error: Error): void {
    this.refused ??= error;
  }

  async send(message: Buffer): Promise<void> {
    this.last += 1;
    this.waiting.add(this.last);
    if (!this.socket.write(message)) await once(this.socket, 'drain');
    if (this.waiting.size >= window) await this.confirmed(window / 2);
  }

  async confirmed(left = 0): Promise<void> {
    await waitFor(
      () => {
        if (this.refused !== undefined) return true;
        return this.waiting.size <= left;
      },
      { what: 'RabbitMQ to confirm', timeout: 60_000, interval: 5 },
    );
    if (this.refused !== undefined) throw this.refused;
  }
}

/** Connects, with confirms. */
export async function openRaw(url: string): Promise<{ raw: Raw; close(): Promise<void> }> {
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  const stream: unknown = Reflect.get(connection.connection, 'stream');
  if (!(stream instanceof Socket)) throw new Error('the library has no socket');
  const raw = new Raw(stream, channel);
  connection.on('error', (error) => raw.fail(error));
  return { raw, close: () => connection.close() };
}
