import type { ChannelModel, ConfirmChannel, Options } from 'amqplib';
import { ConfigError, messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import { establish } from '../../core/transport/establish.ts';
import { isWritableName } from '../../core/transport/names.ts';
import { Outbox } from '../../core/transport/outbox.ts';
import type { SessionLife } from '../../core/transport/session-life.ts';
import { close, lifeOf } from './connect.ts';
import { asConfigError, classify } from './connect-refusal.ts';

/** Bytes of a name on the wire (AMQP 0-9-1, section 4.2.5.3). */
const maxShortString = 255;

/** A connection with a channel on which the broker confirms what it is sent. */
export class Outlet {
  readonly life: SessionLife;
  readonly channel: ConfirmChannel;
  private readonly connection: ChannelModel;
  private readonly outbox: Outbox;
  /** Messages that came back, by id: the confirm that follows means nothing then. */
  private readonly returned = new Map<string, number>();

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.connection = connection;
    this.channel = channel;
    this.life = lifeOf(connection, channel);
    this.outbox = new Outbox(this.life, Number.POSITIVE_INFINITY);
    channel.on('return', ({ properties }) => {
      const id = String(properties.messageId);
      this.returned.set(id, (this.returned.get(id) ?? 0) + 1);
    });
  }

  static async open(connection: ChannelModel): Promise<Outlet> {
    return new Outlet(connection, await connection.createConfirmChannel());
  }

  /**
   * Resolves once the broker has confirmed the message; one that is not `mandatory` it may have thrown away because no queue is bound to
   * its address. Rejects with Undeliverable if the broker refuses this message, with NotConnected if the session ends before it says.
   */
  async publish(exchange: string, routingKey: string, body: Uint8Array, own: Options.Publish): Promise<void> {
    if (!isWritableName(routingKey, maxShortString))
      throw new Undeliverable(`nothing can be sent to ${routingKey.slice(0, 64)}`);
    const content = Buffer.from(body.buffer, body.byteOffset, body.length);
    // Both wire forms are JSON. kombu, below oslo.messaging, hands on bytes unread where this is not said.
    const form = { persistent: true, contentType: 'application/json', contentEncoding: 'utf-8' };
    const publish = (): Promise<void> =>
      new Promise((resolve, reject) => {
        this.channel.publish(exchange, routingKey, content, { ...form, ...own }, (error: unknown) => {
          if (error) reject(error);
          else if (this.takeReturned(String(own.messageId))) reject(unroutable(exchange, routingKey));
          else resolve();
        });
      });
    try {
      await this.outbox.send(publish);
    } catch (error) {
      throw this.failureOf(error, routingKey);
    }
  }

  /** Waits for the messages that are under way, then closes. Resolves in any case. */
  async stop(deadline: AbortSignal): Promise<void> {
    await this.life.stop(deadline, async () => {
      await this.outbox.idle(deadline);
      await close(this.channel);
      await close(this.connection);
    });
  }

  /** Closes at once. Resolves in any case. */
  async close(): Promise<void> {
    this.life.end(new NotConnected('the session has ended'));
    await close(this.connection).catch(() => {});
  }

  /** Was this message refused, or did the connection end? */
  private failureOf(error: unknown, routingKey: string): Error {
    if (error instanceof NotConnected || error instanceof Undeliverable) return error;
    const message = messageOf(error);
    // The library throws over what it cannot write, such as an id that is too long. basic.nack has no other sign.
    if (error instanceof TypeError || message === 'message nacked')
      return new Undeliverable(`the broker refuses the message: ${message}`, { cause: error });
    // The right to an exchange concerns all messages; the right to a topic only those that have it as their routing key.
    const mine = !message.includes(' topic ') || message.includes(`'${routingKey}'`);
    const failure = new NotConnected(message, { cause: error });
    // The channel has closed under us.
    this.life.fail(failure);
    return asConfigError(error) instanceof ConfigError && mine
      ? new Undeliverable(`the broker refuses the message: ${message}`, { cause: error })
      : failure;
  }

  private takeReturned(messageId: string): boolean {
    const count = this.returned.get(messageId) ?? 0;
    if (count > 1) this.returned.set(messageId, count - 1);
    else this.returned.delete(messageId);
    return count > 0;
  }
}

function unroutable(exchange: string, routingKey: string): Undeliverable {
  return new Undeliverable(
    `no queue of exchange ${exchange} is bound to ${routingKey}: has a conductor been started on this broker?`,
  );
}

/**
 * Publishes answers and notifications, on a connection of its own that is opened when it is first needed: RabbitMQ that is short of
 * memory or disk reads nothing more from connections that publish, and acknowledgements would be stuck behind the answers.
 */
export class Publisher {
  private readonly connect: () => Promise<ChannelModel>;
  private outlet: Promise<Outlet> | undefined;
  private closed = false;

  constructor(connect: () => Promise<ChannelModel>) {
    this.connect = connect;
  }

  /** As `Outlet.publish`. Rejects with NotConnected also if there is no connection. */
  async publish(exchange: string, routingKey: string, body: Uint8Array, own: Options.Publish): Promise<void> {
    if (this.closed) throw new NotConnected('the session has ended');
    this.outlet ??= this.open();
    const outlet = await this.outlet;
    await outlet.publish(exchange, routingKey, body, own);
  }

  /** Closes the connection, if there is one; for good. Resolves in any case. */
  async close(): Promise<void> {
    this.closed = true;
    const outlet = await this.outlet?.catch(() => undefined);
    await outlet?.close();
  }

  private async open(): Promise<Outlet> {
    // The next one to publish opens another.
    const forget = () => {
      this.outlet = undefined;
    };
    try {
      const outlet = await establish(this.connect, Outlet.open, close, classify);
      outlet.life.atEnd(forget);
      return outlet;
    } catch (error) {
      forget();
      throw new NotConnected(messageOf(error), { cause: error });
    }
  }
}
