import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { ConfigError, messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Reply } from '../../core/message/request.ts';
import { isWritableName } from '../../core/transport/names.ts';
import { Outbox } from '../../core/transport/outbox.ts';
import { credentialsOf } from '../../core/transport/security.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import type { SessionLife } from '../../core/transport/session-life.ts';
import { openConnection } from './connect.ts';
import { lifeOf } from './faults.ts';
import type { Amqp091Options } from './options.ts';
import { maxShortString } from './publish.ts';
import { asConfigError, classify } from './replies.ts';
import { openReplies, type ReplyQueue } from './sender-replies.ts';

/** Publishes with confirms; what is bound nowhere comes back and is refused. */
export class Amqp091Sender implements Sender {
  private readonly options: Amqp091Options;
  private readonly context: SenderSetup;

  /** Throws ConfigError if there is no one routing key for each sender. */
  constructor(options: Amqp091Options, context: SenderSetup) {
    this.options = options;
    this.context = context;
    if (/[*#]/.test(options.routingKey.replace(/[*#]$/, '')))
      throw new ConfigError(
        `routingKey: ${options.routingKey} has a wildcard before its end: what is sent has no address`,
      );
  }

  async connect(receive: (reply: Reply) => void): Promise<SenderSession> {
    const connection = await openConnection(this.options, `conductor client ${this.context.clientName}`);
    try {
      const channel = await connection.createConfirmChannel();
      // The rejection says the same; without a listener the event would end the process.
      channel.on('error', () => {});
      await this.checkExchange(channel);
      const { logger } = this.context;
      const replies = await openReplies(connection, channel, this.options, receive, logger);
      return new Amqp091SenderSession(connection, channel, this.options, replies);
    } catch (error) {
      await connection.close().catch(() => {});
      throw classify(error);
    }
  }

  /** The conductor makes it: before its first start there is nobody to send to. Publishing would close the channel. */
  private async checkExchange(channel: Channel): Promise<void> {
    const { exchange } = this.options;
    try {
      await channel.checkExchange(exchange);
    } catch (error) {
      throw new NotConnected(`exchange ${exchange} cannot be sent to: ${messageOf(error)}`, { cause: error });
    }
  }
}

class Amqp091SenderSession implements SenderSession {
  readonly replyTo: string | undefined;
  readonly hasProperties = true;
  private readonly life: SessionLife;
  private readonly outbox: Outbox;
  private readonly connection: ChannelModel;
  private readonly channel: ConfirmChannel;
  private readonly options: Amqp091Options;
  /** Goes as `user_id`, which the broker checks, where that proves who sends. */
  private readonly userId: string | undefined;
  /** Messages that came back, by id: the confirm that follows means nothing then. */
  private readonly returned = new Map<string, number>();
  /** What the broker closed the channel with. */
  private refusal: Error | undefined;

  constructor(
    connection: ChannelModel,
    channel: ConfirmChannel,
    options: Amqp091Options,
    replies: ReplyQueue | undefined,
  ) {
    this.connection = connection;
    this.channel = channel;
    this.options = options;
    this.replyTo = replies?.name;
    this.userId = options.auth.mode === 'user-id' ? credentialsOf(options, options.url)?.user : undefined;
    channel.on('return', ({ properties }) => {
      const id = String(properties.messageId);
      this.returned.set(id, (this.returned.get(id) ?? 0) + 1);
    });
    channel.on('error', (error: Error) => {
      this.refusal = error;
    });
    this.life = lifeOf(connection, new Set(replies === undefined ? [channel] : [channel, replies.channel]));
    this.outbox = new Outbox(this.life, Number.MAX_SAFE_INTEGER);
  }

  get closed(): Promise<Error | undefined> {
    return this.life.closed;
  }

  async send(message: OutgoingMessage): Promise<void> {
    const { body, messageId, replyTo, correlationId, expiration } = message;
    const { exchange } = this.options;
    const routingKey = this.options.routingKey.replace(/[*#]$/, () => message.sender);
    if (!isWritableName(routingKey, maxShortString))
      throw new Undeliverable(`nothing can be sent to ${routingKey.slice(0, 64)}`);
    const content = Buffer.from(body.buffer, body.byteOffset, body.length);
    const properties = {
      persistent: true,
      mandatory: true,
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      messageId,
      ...(this.userId !== undefined && { userId: this.userId }),
      ...(replyTo !== undefined && { replyTo }),
      ...(correlationId !== undefined && { correlationId }),
      ...(expiration !== undefined && { expiration: String(expiration) }),
    };
    const publish = (): Promise<void> =>
      new Promise((resolve, reject) => {
        this.channel.publish(exchange, routingKey, content, properties, (error: unknown) => {
          if (error) reject(this.failureOf(error, routingKey));
          else if (this.takeReturned(messageId)) reject(unroutable(exchange, routingKey));
          else resolve();
        });
      });
    try {
      await this.outbox.send(publish);
    } catch (error) {
      if (error instanceof NotConnected || error instanceof Undeliverable) throw error;
      // The library throws over what it cannot write, such as an id that is too long, and where its channel has closed under us.
      const unwritable = this.life.open && error instanceof Error && error.name === 'TypeError';
      throw unwritable
        ? new Undeliverable(messageOf(error), { cause: error })
        : this.failureOf(error, routingKey);
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.life.stop(deadline, async () => {
      await this.outbox.idle(deadline);
      await this.channel.close();
      await this.connection.close();
    });
    await this.closed;
  }

  /** A confirm that will not come: was this message refused, or did the connection end? */
  private failureOf(error: unknown, routingKey: string): Error {
    if (this.refusal === undefined && this.life.open)
      return new Undeliverable(`the broker refuses the message: ${messageOf(error)}`);
    const refusal = this.refusal === undefined ? error : this.refusal;
    const message = messageOf(refusal);
    // The right to an exchange concerns all messages; the right to a topic only those that have it as their routing key.
    const mine = !message.includes(' topic ') || message.includes(`'${routingKey}'`);
    return asConfigError(refusal) instanceof ConfigError && mine
      ? new Undeliverable(`the broker refuses the message: ${message}`, { cause: refusal })
      : new NotConnected(message, { cause: refusal });
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
