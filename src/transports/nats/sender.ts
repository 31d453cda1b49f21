import { JetStreamApiError, type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { createInbox, errors, headers, type MsgHdrs } from '@nats-io/transport-node';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Reply } from '../../core/message/request.ts';
import { establish } from '../../core/transport/establish.ts';
import { isWritableName, nameFor, natsWildcards } from '../../core/transport/names.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { Unconfirmed } from '../../core/transport/unconfirmed.ts';
import { classify, openConnection, permissionViolation } from './connect.ts';
import type { NatsOptions } from './options.ts';
import { contentTypeHeader, setTrace } from './publish.ts';
import type { Incoming } from './read.ts';
import { blockOf, header, readHeaders, readStatus } from './read-headers.ts';
import type { Wire } from './read-library.ts';
import { Connection } from './session-connection.ts';

/** Milliseconds for a stream's acknowledgement. The stream syncs to disk, and a cluster may be choosing a leader. */
const patience = 30_000;

/** The sending side: publishes to the stream, or without JetStream to the present subscribers. */
export function createSender(options: NatsOptions, { clientName }: SenderSetup): Sender {
  return {
    connect: (receive) =>
      establish(
        () => openConnection(options, clientName),
        async (wire) => {
          const session = new NatsSenderSession(wire, options, receive);
          await session.subscribed();
          return session;
        },
        (wire) => wire.connection.close(),
        classify,
      ),
  };
}

/** The broker does not bound the messages under way. */
const noBound = 2 ** 31;

class NatsSenderSession implements SenderSession {
  readonly closed: Promise<Error | undefined>;
  readonly replyTo: string;
  readonly hasProperties = true;
  private readonly connection: Connection;
  private readonly options: NatsOptions;
  private readonly stream: JetStreamClient;
  private readonly unconfirmed: Unconfirmed;

  constructor(wire: Wire, options: NatsOptions, receive: (reply: Reply) => void) {
    this.options = options;
    this.connection = new Connection(wire, [options.subject]);
    this.closed = this.connection.life.closed;
    this.unconfirmed = new Unconfirmed(this.connection.life, noBound);
    this.stream = jetstream(wire.connection, { timeout: patience });
    this.replyTo = createInbox(options.inboxPrefix);
    this.connection.subscribe(this.replyTo, (message) => this.take(message, receive));
  }

  /** Resolves once replies can come. */
  subscribed(): Promise<void> {
    return this.connection.subscribed();
  }

  private take(message: Incoming, receive: (reply: Reply) => void): void {
    const block = blockOf(message);
    const body = message.bytes.subarray(message.bodyAt, message.end);
    // Without JetStream nobody may be there to take the call. Its caller notices when it waits in vain.
    if (body.length === 0 && readStatus(block).code === 503) return;
    receive({ correlationId: block === undefined ? undefined : readHeaders(block).correlationId, body });
  }

  send(message: OutgoingMessage): Promise<void> {
    return this.unconfirmed.send(() => this.transmit(message));
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.connection.stop(deadline, () => this.unconfirmed.idle(deadline));
  }

  private async transmit(message: OutgoingMessage): Promise<void> {
    const { sender, body, replyTo } = message;
    if (sender === '' || /[\s.*>]/.test(sender))
      throw new Undeliverable(`a sender is one token of a subject: ${sender}`);
    const { jetstream, subject } = this.options;
    const target = nameFor(sender, subject, natsWildcards);
    // Otherwise the server would end the connection.
    if (!isWritableName(target)) throw new Undeliverable(`nothing can be sent to ${target.slice(0, 64)}`);
    if (jetstream) {
      // A call is repeated under its message id until its answer comes. The stream would drop the repetition.
      const msgID = isCall(message) ? undefined : message.messageId;
      return await this.store(target, body, describe(message, true), msgID);
    }
    // The message's own reply subject is free for the answer.
    const options = { headers: describe(message, false), ...(replyTo !== undefined && { reply: replyTo }) };
    return await this.connection.publisher.publish(target, body, options);
  }

  /** Resolves with the stream's acknowledgement. A second message with the same `msgID` is acknowledged too, and dropped. */
  private async store(
    subject: string,
    body: Uint8Array,
    headers: MsgHdrs,
    msgID: string | undefined,
  ): Promise<void> {
    const { stream } = this.options;
    const id = msgID === undefined ? {} : { msgID };
    try {
      await this.stream.publish(subject, body, { headers, ...id, expect: { streamName: stream } });
    } catch (error) {
      throw this.explain(error, subject);
    }
  }

  private explain(error: unknown, subject: string): Error {
    const cause = { cause: error };
    if (error instanceof Error && error.name === 'JetStreamNotEnabled')
      return new Undeliverable(`no stream keeps ${subject}: has a conductor made it yet?`, cause);
    if (error instanceof errors.TimeoutError)
      return new NotConnected(`the stream has not acknowledged the message within ${patience} ms`, cause);
    const refused =
      (error instanceof JetStreamApiError && error.status !== 503) ||
      error instanceof errors.InvalidArgumentError ||
      permissionViolation(error) !== undefined;
    return refused
      ? new Undeliverable(`the broker refuses the message: ${messageOf(error)}`, cause)
      : new NotConnected(messageOf(error), cause);
  }
}

/** @param withReply whether a header has the reply address, since the message's own reply subject is the stream's. */
function describe(message: OutgoingMessage, withReply: boolean): MsgHdrs {
  const { messageId, replyTo, correlationId, expiration, contentType, trace } = message;
  const described = headers();
  try {
    described.set(isCall(message) ? header.callId : header.messageId, messageId);
    if (withReply && replyTo !== undefined) described.set(header.replyTo, replyTo);
    if (correlationId !== undefined) described.set(header.correlationId, correlationId);
    if (contentType !== undefined) described.set(contentTypeHeader, contentType);
    setTrace(described, trace);
    if (expiration !== undefined) described.set(header.deadline, String(Math.ceil(Date.now() + expiration)));
  } catch (error) {
    throw new Undeliverable(messageOf(error), { cause: error });
  }
  return described;
}

/** Whether the message is a call, with its reply address as a header or in its body. */
function isCall({ expectsReply, replyTo }: OutgoingMessage): boolean {
  return expectsReply === true || replyTo !== undefined;
}
