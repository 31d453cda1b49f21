import type { Channel } from 'amqplib';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { messageOf, NotConnected } from '../../core/errors.ts';
import { establish } from '../../core/transport/establish.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { close, signIn } from './connect.ts';
import { classify } from './connect-refusal.ts';
import type { Amqp091Options } from './options.ts';
import { Outlet } from './publish.ts';
import { openReplies } from './sender-replies.ts';

/**
 * Publishes with confirms. A message that no queue is bound for comes back and is refused. Throws ConfigError if `routingKey` does not
 * give each sender a routing key.
 */
export function createSender(options: Amqp091Options, { clientName, logger }: SenderSetup): Sender {
  return {
    connect: (receive) =>
      establish(
        () => signIn(options, `conductor client ${clientName}`),
        async ({ connection, user }) => {
          const outlet = await Outlet.open(connection);
          await checkExchange(outlet.channel, options.exchange);
          const replyTo = await openReplies(connection, outlet, options, receive, logger);
          return new Amqp091SenderSession(outlet, replyTo, options, user);
        },
        ({ connection }) => close(connection),
        classify,
      ),
  };
}

/** The conductor declares the exchange at its first start. Publishing to a missing exchange would close the channel. */
async function checkExchange(channel: Channel, exchange: string): Promise<void> {
  try {
    await channel.checkExchange(exchange);
  } catch (error) {
    throw new NotConnected(`cannot publish to exchange ${exchange}: ${messageOf(error)}`, { cause: error });
  }
}

class Amqp091SenderSession implements SenderSession {
  readonly replyTo: string | undefined;
  readonly hasProperties = true;
  readonly closed: Promise<Error | undefined>;
  private readonly outlet: Outlet;
  private readonly options: Amqp091Options;
  /** Sent as `user_id`, which the broker checks, if `auth.mode` is `user-id`. */
  private readonly userId: string | undefined;

  constructor(
    outlet: Outlet,
    replyTo: string | undefined,
    options: Amqp091Options,
    user: string | undefined,
  ) {
    this.outlet = outlet;
    this.closed = outlet.life.closed;
    this.replyTo = replyTo;
    this.options = options;
    this.userId = options.auth.mode === 'user-id' ? user : undefined;
  }

  async send(message: OutgoingMessage): Promise<void> {
    const { sender, body, messageId, replyTo, correlationId, expiration, contentType, trace } = message;
    const { exchange, routingKey } = this.options;
    await this.outlet.publish(
      exchange,
      routingKey.replace(/[*#]$/, () => sender),
      body,
      {
        mandatory: true,
        messageId,
        ...(this.userId !== undefined && { userId: this.userId }),
        ...(replyTo !== undefined && { replyTo }),
        ...(correlationId !== undefined && { correlationId }),
        ...(contentType !== undefined && { contentType }),
        ...(expiration !== undefined && { expiration: String(expiration) }),
        ...(trace !== undefined && { headers: trace }),
      },
    );
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.outlet.stop(deadline);
  }
}
