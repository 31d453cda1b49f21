import { randomUUID } from 'node:crypto';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Reply } from '../../core/message/request.ts';
import { establish } from '../../core/transport/establish.ts';
import { isWritableName } from '../../core/transport/names.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { Unconfirmed } from '../../core/transport/unconfirmed.ts';
import { type Amqp10Connection, letGo, openConnection } from './connect.ts';
import { classify } from './connect-refusal.ts';
import type { Amqp10Options } from './options.ts';
import { encodeMessage } from './publish.ts';
import { channelOf } from './read-library.ts';
import { decodeMessage } from './read-message.ts';
import { SenderLinks } from './sender-links.ts';
import { accepted, dispositions } from './session-settle.ts';
import { attach, queueAddress } from './topology.ts';

/** The credit for replies. */
const replyCredit = 100;

/** The sending side. */
export function createSender(options: Amqp10Options, { clientName }: SenderSetup): Sender {
  // One name for all sessions, so that there is one queue if it outlives them.
  const id = randomUUID();
  return {
    connect: (receive) =>
      establish(
        () => openConnection(options, clientName),
        (connection) => beginSession(connection, options, id, receive),
        letGo,
        classify,
      ),
  };
}

async function beginSession(
  connection: Amqp10Connection,
  { target, replyAddress }: Amqp10Options,
  id: string,
  receive: (reply: Reply) => void,
): Promise<SenderSession> {
  const { broker } = connection;
  const form = replyAddress || (broker.rabbitmq?.major === 3 ? '/queue/conductor-reply.{id}' : '');
  const listen = (address: string | undefined) => receiveReplies(connection, address, receive);
  // The broker makes an address.
  if (form === '')
    return new Amqp10SenderSession(connection, target, await listen(undefined), async () => {});
  const named = queueAddress(broker, form.replaceAll('{id}', id));
  // A queue with a name outlives the connection, so it is made for calls only, not for casts.
  return new Amqp10SenderSession(connection, target, named, () => listen(named));
}

/**
 * Resolves with the address once the broker has it. Rejects with ConfigError if the broker refuses it, otherwise with NotConnected.
 *
 * @param address undefined: the broker makes one.
 */
async function receiveReplies(
  connection: Amqp10Connection,
  address: string | undefined,
  receive: (reply: Reply) => void,
): Promise<string> {
  const settled = (id: number | undefined) => {
    if (id !== undefined) connection.write(dispositions(channelOf(session), [id], accepted));
    receiver.add_credit(1);
  };
  const { session, receiver, attached } = attach(
    connection,
    `the link for replies (replyAddress: ${address ?? 'a dynamic source'})`,
    address === undefined ? { dynamic: true } : { address },
    replyCredit * 2,
    {
      take: (bytes, start, end, id) => {
        const { correlationId, body } = decodeMessage(bytes, start, end);
        receive({ correlationId, body });
        settled(id);
      },
      aborted: () => settled(undefined),
    },
  );
  const given = await attached;
  receiver.add_credit(replyCredit);
  return given;
}

class Amqp10SenderSession implements SenderSession {
  readonly replyTo: string;
  readonly hasProperties = true;
  private readonly connection: Amqp10Connection;
  private readonly target: string;
  private readonly links: SenderLinks;
  private readonly unconfirmed: Unconfirmed;
  private readonly listen: () => Promise<unknown>;
  private listening: Promise<unknown> | undefined;

  /** @param listen prepares for replies. */
  constructor(connection: Amqp10Connection, target: string, replyTo: string, listen: () => Promise<unknown>) {
    this.listen = listen;
    this.connection = connection;
    this.target = target;
    this.replyTo = replyTo;
    this.links = new SenderLinks(connection);
    this.unconfirmed = new Unconfirmed(connection.life, Number.MAX_SAFE_INTEGER);
  }

  get closed(): Promise<Error | undefined> {
    return this.connection.life.closed;
  }

  async send(message: OutgoingMessage): Promise<void> {
    const {
      sender,
      body,
      messageId,
      replyTo,
      correlationId,
      contentType,
      expiration: ttl,
      trace,
      expectsReply,
    } = message;
    const address = this.addressOf(sender);
    const userId = this.connection.credentials?.user;
    const payload = encodeMessage({
      body,
      messageId,
      userId,
      replyTo,
      correlationId,
      contentType,
      ttl,
      trace,
    });
    const sent = await this.unconfirmed.send(async () => {
      if (expectsReply === true || replyTo === this.replyTo) await this.ensureListening();
      return this.links.send(address, payload);
    });
    if (sent === 'unroutable') throw new Undeliverable(`nobody is at ${address}`);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.connection.stop(deadline, () => this.unconfirmed.idle(deadline));
  }

  private async ensureListening(): Promise<void> {
    this.listening ??= this.listen();
    await this.listening.catch((error) => {
      // The session has ended, and has the reason.
      throw new NotConnected(messageOf(error), { cause: error });
    });
  }

  /** In an address that is a path, a sender is one segment, or a part of one. */
  private addressOf(sender: string): string {
    const { target } = this;
    if (!isWritableName(sender)) throw new Undeliverable(`no sender can be called ${sender.slice(0, 64)}`);
    const written = target.startsWith('/') ? encodeURIComponent(sender) : sender;
    return queueAddress(
      this.connection.broker,
      target.replaceAll('{sender}', () => written),
    );
  }
}
