import type { ChannelModel, ConfirmChannel, Options } from 'amqplib';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import { isWritableName } from '../../core/transport/names.ts';
import { failOnFault } from './faults.ts';

/** Bytes of a name on the wire (AMQP 0-9-1, section 4.2.5.3). */
export const maxShortString = 255;

/**
 * Publishes with confirms, on a connection of its own that is opened when it is first needed: RabbitMQ that is short of memory or
 * disk reads nothing more from connections that publish, and acknowledgements would be stuck behind the answers.
 */
export class Publisher {
  private readonly connect: () => Promise<ChannelModel>;
  private channel: Promise<ConfirmChannel> | undefined;
  private connection: ChannelModel | undefined;
  private closed = false;

  constructor(connect: () => Promise<ChannelModel>) {
    this.connect = connect;
  }

  /**
   * Resolves once the broker has confirmed the message, or has thrown it away because no queue is bound to its address.
   * Rejects with NotConnected if there is no connection, or it ends before that; with Undeliverable if the broker refuses it.
   */
  async publish(
    exchange: string,
    routingKey: string,
    body: Uint8Array,
    properties: Options.Publish,
  ): Promise<void> {
    if (!isWritableName(routingKey, maxShortString))
      throw new Undeliverable(`nothing can be sent to ${routingKey.slice(0, 64)}`);
    this.channel ??= this.open();
    const channel = await this.channel;
    const content = Buffer.from(body.buffer, body.byteOffset, body.length);
    await new Promise<void>((resolve, reject) => {
      const settled = (error: unknown) => {
        if (!error) resolve();
        // The broker has closed the channel over it, the connection has gone, or it was refused (basic.nack).
        else if (this.channel === undefined) reject(new NotConnected(messageOf(error), { cause: error }));
        else reject(new Undeliverable(`the broker refuses the message: ${messageOf(error)}`));
      };
      try {
        channel.publish(exchange, routingKey, content, { persistent: true, ...properties }, settled);
      } catch (error) {
        // The channel has closed under us, or there is a property that cannot be written, such as an id that is too long.
        settled(error);
      }
    });
  }

  /** Closes the connection, if there is one; for good. Resolves in any case. */
  async close(): Promise<void> {
    this.closed = true;
    await this.channel?.catch(() => {});
    await this.connection?.close().catch(() => {});
  }

  private async open(): Promise<ConfirmChannel> {
    try {
      if (this.closed) throw new NotConnected('the session has ended');
      const connection = await this.connect();
      this.connection = connection;
      // The next one to publish opens another; those that wait for a confirm are told by the library.
      const forget = () => {
        if (this.connection !== connection) return;
        this.channel = undefined;
        this.connection = undefined;
        connection.close().catch(() => {});
      };
      connection.once('close', forget);
      const channel = await connection.createConfirmChannel();
      channel.on('error', forget);
      channel.on('close', forget);
      failOnFault(connection, [channel], forget);
      return channel;
    } catch (error) {
      this.channel = undefined;
      await this.connection?.close().catch(() => {});
      throw error instanceof NotConnected ? error : new NotConnected(messageOf(error), { cause: error });
    }
  }
}
