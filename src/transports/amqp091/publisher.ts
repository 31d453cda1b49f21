import type { ChannelModel, ConfirmChannel, Options } from 'amqplib';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';

/** Publishes with confirms on a channel of its own, which is opened when it is first needed. */
export class Publisher {
  private readonly connection: ChannelModel;
  private channel: Promise<ConfirmChannel> | undefined;

  constructor(connection: ChannelModel) {
    this.connection = connection;
  }

  /**
   * Resolves once the broker has confirmed the message, or has thrown it away because no queue is bound to its address.
   * Rejects with NotConnected if the channel ends before that, with Undeliverable if the broker refuses it.
   */
  async publish(
    exchange: string,
    routingKey: string,
    body: Uint8Array,
    properties: Options.Publish,
  ): Promise<void> {
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
      channel.publish(exchange, routingKey, content, { persistent: true, ...properties }, settled);
    });
  }

  private async open(): Promise<ConfirmChannel> {
    try {
      const channel = await this.connection.createConfirmChannel();
      // The next one to publish opens another; those that wait for a confirm are told by the library.
      const forget = () => {
        this.channel = undefined;
      };
      channel.on('error', forget);
      channel.on('close', forget);
      return channel;
    } catch (error) {
      this.channel = undefined;
      throw new NotConnected(messageOf(error), { cause: error });
    }
  }
}
