import type { Channel } from 'amqplib';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';
import { addressesIn } from '../../core/transport/addresses.ts';
import { establish } from '../../core/transport/establish.ts';
import { credentialsOf } from '../../core/transport/security.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { close, openConnection } from './connect.ts';
import { classify } from './connect-refusal.ts';
import type { Amqp091Options } from './options.ts';
import { Outlet } from './publish.ts';
import { openReplies } from './sender-replies.ts';

/**
 * Publishes with confirms; what is bound nowhere comes back and is refused. Throws ConfigError if there is no one routing key for each
 * sender.
 */
export function createSender(options: Amqp091Options, { clientName, logger }: SenderSetup): Sender {
  if (/[*#]/.test(options.routingKey.replace(/[*#]$/, '')))
    throw new ConfigError(
      `routingKey: ${options.routingKey} has a wildcard before its end: what is sent has no address`,
    );
  return {
    connect: (receive) =>
      establish(
        () => openConnection(options, `conductor client ${clientName}`),
        async (connection) => {
          const outlet = await Outlet.open(connection);
          await checkExchange(outlet.channel, options.exchange);
          const replyTo = await openReplies(connection, outlet, options, receive, logger);
          return new Amqp091SenderSession(outlet, replyTo, options);
        },
        close,
        classify,
      ),
  };
}

/** The conductor makes it: before its first start there is nobody to send to. Publishing would close the channel. */
async function checkExchange(channel: Channel, exchange: string): Promise<void> {
  try {
    await channel.checkExchange(exchange);
  } catch (error) {
    throw new NotConnected(`exchange ${exchange} cannot be sent to: ${messageOf(error)}`, { cause: error });
  }
}

class Amqp091SenderSession implements SenderSession {
  readonly replyTo: string | undefined;
  readonly hasProperties = true;
  readonly closed: Promise<Error | undefined>;
  private readonly outlet: Outlet;
  private readonly options: Amqp091Options;
  /** Goes as `user_id`, which the broker checks, where that proves who sends. */
  private readonly userId: string | undefined;

  constructor(outlet: Outlet, replyTo: string | undefined, options: Amqp091Options) {
    this.outlet = outlet;
    this.closed = outlet.life.closed;
    this.replyTo = replyTo;
    this.options = options;
    const [first = ''] = addressesIn(options.url);
    this.userId = options.auth.mode === 'user-id' ? credentialsOf(options, first)?.user : undefined;
  }

  async send(message: OutgoingMessage): Promise<void> {
    const { sender, body, messageId, replyTo, correlationId, expiration } = message;
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
        ...(expiration !== undefined && { expiration: String(expiration) }),
      },
    );
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.outlet.stop(deadline);
  }
}
