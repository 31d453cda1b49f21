import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import { ConfigError, messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Reply } from '../../core/message/request.ts';
import { isWritableName } from '../../core/transport/names.ts';
import { credentialsOf } from '../../core/transport/security.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { openConnection } from './connect.ts';
import { failOnFault } from './faults.ts';
import type { Amqp091Options } from './options.ts';
import { maxShortString } from './publish.ts';
import { letGo } from './read.ts';
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
  readonly closed: Promise<Error | undefined>;
  private readonly connection: ChannelModel;
  private readonly channel: ConfirmChannel;
  private readonly options: Amqp091Options;
  /** Goes as `user_id`, which the broker checks, where that proves who sends. */
  private readonly userId: string | undefined;
  /** Messages that came back, by id: the confirm that follows means nothing then. */
  private readonly returned = new Map<string, number>();
  private underWay = 0;
  private whenIdle: () => void = () => {};
  private stopping = false;
  private open = true;
  /** What the broker closed the channel with. */
  private refusal: Error | undefined;
  private end: (error: Error | undefined) => void = () => {};

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
    this.closed = new Promise((resolve) => {
      this.end = (error) => {
        this.open = false;
        resolve(this.stopping ? undefined : (error ?? new NotConnected('the connection was closed')));
      };
    });
    channel.on('return', ({ properties }) => {
      const id = String(properties.messageId);
      this.returned.set(id, (this.returned.get(id) ?? 0) + 1);
    });
    channel.on('error', (error: Error) => {
      this.refusal = error;
    });
    const channels = new Set<Channel>([channel, ...(replies === undefined ? [] : [replies.channel])]);
    for (const one of channels) {
      one.on('error', (error) => this.fail(error));
      one.on('close', () => {
        if (!this.stopping) this.fail(new NotConnected('the channel was closed'));
      });
    }
    connection.on('error', (error) => this.end(error));
    connection.on('close', (error) => this.end(error));
    failOnFault(connection, channels, (error) => this.fail(error));
  }

  async send(message: OutgoingMessage): Promise<void> {
    const { body, messageId, replyTo, correlationId, expiration } = message;
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
    this.underWay += 1;
    try {
      await new Promise<void>((resolve, reject) => {
        if (!this.open || this.stopping) throw new NotConnected('the session has ended');
        this.channel.publish(this.options.exchange, routingKey, content, properties, (error: unknown) => {
          if (error) reject(this.failureOf(error, routingKey));
          else if (this.takeReturned(messageId)) reject(unroutable(this.options.exchange, routingKey));
          else resolve();
        });
      });
    } catch (error) {
      if (error instanceof NotConnected || error instanceof Undeliverable) throw error;
      // The library throws where its channel has closed under us, and over what it cannot write, such as an id that is too long.
      const { name } = error instanceof Error ? error : { name: '' };
      const mine = this.open && name === 'TypeError';
      throw new (mine ? Undeliverable : NotConnected)(messageOf(error), { cause: error });
    } finally {
      this.underWay -= 1;
      if (this.underWay === 0) this.whenIdle();
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping = true;
    if (!this.open) return;
    await settledBy(this.idle(), deadline);
    await settledBy(this.close(), deadline);
    if (this.open) this.destroy();
    await this.closed;
  }

  private async idle(): Promise<void> {
    if (this.underWay === 0) return;
    const ended = this.closed;
    await Promise.race([
      ended,
      new Promise<void>((resolve) => {
        this.whenIdle = resolve;
      }),
    ]);
  }

  private async close(): Promise<void> {
    await this.channel.close();
    await this.connection.close();
  }

  /** A confirm that will not come: was this message refused, or did the connection end? */
  private failureOf(error: unknown, routingKey: string): Error {
    if (this.refusal === undefined && this.open)
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

  private fail(error: Error): void {
    if (!this.open) return;
    this.end(error);
    this.connection.close().catch(() => this.destroy());
  }

  private destroy(): void {
    letGo(this.connection);
    this.end(undefined);
  }
}

function unroutable(exchange: string, routingKey: string): Undeliverable {
  return new Undeliverable(
    `no queue of exchange ${exchange} is bound to ${routingKey}: has a conductor been started on this broker?`,
  );
}
