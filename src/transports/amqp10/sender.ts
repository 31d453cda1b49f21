import { randomUUID } from 'node:crypto';
import type { Receiver } from 'rhea';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Reply } from '../../core/message/request.ts';
import { isWritableName } from '../../core/transport/names.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { queueAddress } from './address.ts';
import { Amqp10Connection } from './connect.ts';
import { encodeMessage } from './encode.ts';
import type { Amqp10Options } from './options.ts';
import { channelOf } from './read-library.ts';
import { decodeMessage } from './read-message.ts';
import { refusalOf, refused } from './refusal.ts';
import { SenderLinks } from './sender-links.ts';
import { accepted, dispositions } from './settle.ts';

/** Replies on their way to us at once. */
const replyCredit = 100;

export class Amqp10Sender implements Sender {
  private readonly options: Amqp10Options;
  private readonly context: SenderSetup;
  /** The same for all sessions, so that a queue which outlives them is one and not many. */
  private readonly id = randomUUID();

  constructor(options: Amqp10Options, context: SenderSetup) {
    this.options = options;
    this.context = context;
  }

  async connect(receive: (reply: Reply) => void): Promise<SenderSession> {
    const connection = await Amqp10Connection.open(this.options, this.context.clientName);
    const named = this.replySource(connection);
    const listen = (address: string | undefined) => receiveReplies(connection, address, receive);
    // A queue with a name outlives us: it is made for a call, and not for casts.
    const replyTo = named ?? (await listen(undefined));
    const ready = named === undefined ? async () => replyTo : () => listen(named);
    return new Amqp10SenderSession(connection, this.options.target, replyTo, ready);
  }

  /** The address for replies; undefined: one that the broker makes. */
  private replySource({ broker }: Amqp10Connection): string | undefined {
    const form =
      this.options.replyAddress || (broker.rabbitmq?.major === 3 ? '/queue/conductor-reply.{id}' : '');
    return form === '' ? undefined : queueAddress(broker, form.replaceAll('{id}', this.id));
  }
}

/** Resolves with the address, once the broker has it. Rejects with ConfigError if it refuses, else with NotConnected. */
async function receiveReplies(
  connection: Amqp10Connection,
  address: string | undefined,
  receive: (reply: Reply) => void,
): Promise<string> {
  const session = connection.createSession(replyCredit * 2);
  session.open();
  const receiver: Receiver = session.open_receiver({
    source: address === undefined ? { dynamic: true } : { address },
    credit_window: 0,
    autoaccept: false,
  });
  const settled = (id: number | undefined) => {
    if (id !== undefined) connection.write(dispositions(channelOf(session), [id], accepted));
    receiver.add_credit(1);
  };
  connection.receive(receiver, {
    take: (bytes, start, end, id) => {
      const { correlationId, body } = decodeMessage(bytes, start, end);
      receive({ correlationId, body });
      settled(id);
    },
    aborted: () => settled(undefined),
  });
  const gone = (error: unknown) => {
    const refusal = refusalOf(error);
    connection.fail(
      refusal === undefined
        ? new NotConnected('the broker closed the link for replies')
        : refused(`the link for replies (replyAddress: ${address ?? 'a dynamic source'})`, refusal),
    );
  };
  receiver.on('receiver_close', () => gone(receiver.error));
  session.on('session_close', () => gone(session.error));
  return new Promise((resolve, reject) => {
    receiver.on('receiver_open', () => {
      const given: unknown = receiver.source?.address;
      if (typeof given !== 'string') return;
      receiver.add_credit(replyCredit);
      resolve(given);
    });
    void connection.ended.then((error) => reject(error ?? new NotConnected('the connection was closed')));
  });
}

class Amqp10SenderSession implements SenderSession {
  readonly replyTo: string;
  readonly hasProperties = true;
  readonly closed: Promise<Error | undefined>;
  private readonly connection: Amqp10Connection;
  private readonly target: string;
  private readonly links: SenderLinks;
  private readonly underWay = new Set<Promise<unknown>>();
  private readonly listen: () => Promise<unknown>;
  private listening: Promise<unknown> | undefined;

  /** @param listen makes sure that replies can come. */
  constructor(connection: Amqp10Connection, target: string, replyTo: string, listen: () => Promise<unknown>) {
    this.listen = listen;
    this.connection = connection;
    this.target = target;
    this.replyTo = replyTo;
    this.closed = connection.ended;
    this.links = new SenderLinks(connection);
  }

  async send(message: OutgoingMessage): Promise<void> {
    const { sender, body, messageId, replyTo, correlationId, expiration } = message;
    if (replyTo === this.replyTo) {
      this.listening ??= this.listen();
      await this.listening.catch((error) => {
        // The session has ended, with the reason.
        throw new NotConnected(messageOf(error), { cause: error });
      });
    }
    const address = this.addressOf(sender);
    const userId = this.connection.credentials?.user;
    const payload = encodeMessage({ body, messageId, userId, replyTo, correlationId, ttl: expiration });
    const sending = this.links.send(address, payload);
    this.underWay.add(sending);
    try {
      if ((await sending) === 'unroutable') throw new Undeliverable(`nobody is at ${address}`);
    } finally {
      this.underWay.delete(sending);
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await settledBy(Promise.allSettled(this.underWay), deadline);
    await this.connection.close(deadline);
  }

  /** In an address that is a path a sender is one segment of it, or a part of one. */
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
