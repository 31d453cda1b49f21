import type { ChannelModel, ConfirmChannel, Options } from 'amqplib';
import { ConfigError, messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Publication } from '../../core/transport/contract.ts';
import { establish } from '../../core/transport/establish.ts';
import { isWritableName } from '../../core/transport/names.ts';
import type { SessionLife } from '../../core/transport/session-life.ts';
import { Unconfirmed } from '../../core/transport/unconfirmed.ts';
import { close, lifeOf } from './connect.ts';
import { asConfigError, classify } from './connect-refusal.ts';
import type { Amqp091Options } from './options.ts';

/** The longest name on the wire, in bytes (AMQP 0-9-1, section 4.2.5.3). */
const maxShortString = 255;

/** A connection with one channel, on which the broker confirms publications. */
export class Outlet {
  readonly life: SessionLife;
  readonly channel: ConfirmChannel;
  private readonly connection: ChannelModel;
  private readonly unconfirmed: Unconfirmed;
  /** Ids of returned messages. The confirm that follows a return means nothing. */
  private readonly returned = new Map<string, number>();

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.connection = connection;
    this.channel = channel;
    this.life = lifeOf(connection, channel);
    this.unconfirmed = new Unconfirmed(this.life, Number.POSITIVE_INFINITY);
    channel.on('return', ({ properties }) => {
      const id = String(properties.messageId);
      this.returned.set(id, (this.returned.get(id) ?? 0) + 1);
    });
  }

  static async open(connection: ChannelModel): Promise<Outlet> {
    return new Outlet(connection, await connection.createConfirmChannel());
  }

  /**
   * Resolves once the broker has confirmed the message. If the message is not `mandatory` and no queue is bound to its address, the broker
   * has dropped it. Rejects with Undeliverable if the broker refuses this message, with NotConnected if the session ends before.
   */
  async publish(exchange: string, routingKey: string, body: Uint8Array, own: Options.Publish): Promise<void> {
    if (!isWritableName(routingKey, maxShortString))
      throw new Undeliverable(`nothing can be sent to ${routingKey.slice(0, 64)}`);
    const content = Buffer.from(body.buffer, body.byteOffset, body.length);
    // All wire forms are JSON. Without this, kombu (below oslo.messaging) passes on the body as bytes.
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
      await this.unconfirmed.send(publish);
    } catch (error) {
      throw this.failureOf(error, routingKey);
    }
  }

  /** Waits for the messages that are under way, then closes. Never rejects. */
  async stop(deadline: AbortSignal): Promise<void> {
    await this.life.stop(deadline, async () => {
      await this.unconfirmed.idle(deadline);
      await close(this.channel);
      await close(this.connection);
    });
  }

  /** Closes at once. Never rejects. */
  async close(): Promise<void> {
    this.life.end(new NotConnected('the session has ended'));
    await close(this.connection).catch(() => {});
  }

  /** Tells the refusal of this message from the end of the connection. */
  private failureOf(error: unknown, routingKey: string): Error {
    if (error instanceof NotConnected || error instanceof Undeliverable) return error;
    const message = messageOf(error);
    // The library throws over values that it cannot write, such as an id that is too long. A basic.nack has no other sign.
    if (error instanceof TypeError || message === 'message nacked')
      return new Undeliverable(`the broker refuses the message: ${message}`, { cause: error });
    // A missing right to an exchange affects all messages. A missing right to a topic affects only those with that routing key.
    const mine = !message.includes(' topic ') || message.includes(`'${routingKey}'`);
    const failure = new NotConnected(message, { cause: error });
    // The channel has closed meanwhile.
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
 * Publishes answers and notifications over a connection of its own, which is opened when it is first needed. RabbitMQ that is short of
 * memory or disk stops reading from publishing connections, and acknowledgements would wait behind the answers.
 */
export class Publisher {
  private readonly connect: () => Promise<ChannelModel>;
  private readonly options: Pick<Amqp091Options, 'exchange' | 'queue'>;
  private outlet: Promise<Outlet> | undefined;
  private closed = false;

  constructor(connect: () => Promise<ChannelModel>, options: Pick<Amqp091Options, 'exchange' | 'queue'>) {
    this.connect = connect;
    this.options = options;
  }

  /**
   * Publishes an answer through the default exchange to the queue that the caller named, a notification through our own exchange. Rejects
   * like `Outlet.publish`, and with NotConnected if there is no connection.
   */
  async publish({ to, body, ...properties }: Publication): Promise<void> {
    const { exchange, queue } = this.options;
    if (to.kind === 'reply' && to.name === queue)
      throw new Undeliverable(`the call names ${queue} for its answer, the queue that calls are taken from`);
    if (this.closed) throw new NotConnected('the session has ended');
    this.outlet ??= this.open();
    const outlet = await this.outlet;
    await outlet.publish(to.kind === 'reply' ? '' : exchange, to.name, body, propertiesOf(properties));
  }

  /** Closes the connection, if there is one, for good. Never rejects. */
  async close(): Promise<void> {
    this.closed = true;
    const outlet = await this.outlet?.catch(() => undefined);
    await outlet?.close();
  }

  private async open(): Promise<Outlet> {
    // The next publication opens another.
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

function propertiesOf({
  messageId,
  correlationId,
  contentType,
  trace,
}: Omit<Publication, 'to' | 'body'>): Options.Publish {
  return {
    ...(messageId !== undefined && { messageId }),
    ...(correlationId !== undefined && { correlationId }),
    ...(contentType !== undefined && { contentType }),
    ...(trace !== undefined && { headers: trace }),
  };
}
