import { JetStreamApiError, type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { createInbox, errors, headers, type MsgHdrs } from '@nats-io/transport-node';
import type { SenderSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Reply } from '../../core/message/request.ts';
import { isWritableName } from '../../core/transport/names.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../core/transport/sender.ts';
import { classify, openConnection, permissionViolation } from './connect.ts';
import { blockOf, header, readHeaders, readStatus } from './headers.ts';
import type { Wire } from './inside.ts';
import { Connection } from './lifetime.ts';
import type { NatsOptions } from './options.ts';
import type { Incoming } from './read.ts';

/** Milliseconds that a stream may take for its acknowledgement; it syncs to disk, and a cluster may be choosing a leader. */
const patience = 30_000;

/** The sending side: to the stream that keeps the messages, or without JetStream to whoever is there. */
export class NatsSender implements Sender {
  private readonly options: NatsOptions;
  private readonly context: SenderSetup;

  constructor(options: NatsOptions, context: SenderSetup) {
    this.options = options;
    this.context = context;
  }

  async connect(receive: (reply: Reply) => void): Promise<SenderSession> {
    const wire = await openConnection(this.options, this.context.clientName);
    try {
      const session = new NatsSenderSession(wire, this.options, receive);
      await wire.connection.flush();
      return session;
    } catch (error) {
      await wire.connection.close();
      throw classify(error);
    }
  }
}

class NatsSenderSession implements SenderSession {
  readonly closed: Promise<Error | undefined>;
  readonly replyTo: string;
  readonly hasProperties = true;
  private readonly connection: Connection;
  private readonly options: NatsOptions;
  private readonly stream: JetStreamClient;
  private readonly underWay = new Set<Promise<void>>();

  constructor(wire: Wire, options: NatsOptions, receive: (reply: Reply) => void) {
    this.options = options;
    this.connection = new Connection(wire, [options.subject]);
    this.closed = this.connection.closed;
    this.stream = jetstream(wire.connection, { timeout: patience });
    this.replyTo = createInbox();
    this.connection.subscribe(this.replyTo, (message) => this.take(message, receive));
  }

  private take(message: Incoming, receive: (reply: Reply) => void): void {
    const block = blockOf(message);
    const body = message.bytes.subarray(message.bodyAt, message.end);
    // Without JetStream: nobody is there to take the call, whose caller finds out by waiting in vain.
    if (body.length === 0 && readStatus(block).code === 503) return;
    receive({ correlationId: block === undefined ? undefined : readHeaders(block).correlationId, body });
  }

  async send(message: OutgoingMessage): Promise<void> {
    const sending = this.transmit(message);
    const settled = sending.catch(() => {});
    this.underWay.add(settled);
    try {
      await sending;
    } finally {
      this.underWay.delete(settled);
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await settledBy(Promise.all(this.underWay), deadline);
    await this.connection.close(deadline);
  }

  private async transmit(message: OutgoingMessage): Promise<void> {
    const { sender, body, replyTo } = message;
    if (sender === '' || /[\s.*>]/.test(sender))
      throw new Undeliverable(`a sender is one token of a subject: ${sender}`);
    const { jetstream, subject } = this.options;
    const target = subject.replace(/[*>]$/, () => sender);
    // The server would end the connection over it.
    if (!isWritableName(target)) throw new Undeliverable(`nothing can be sent to ${target.slice(0, 64)}`);
    if (jetstream) return await this.store(target, body, describe(message, true), message.messageId);
    // The reply subject is the message's own.
    const options = { headers: describe(message, false), ...(replyTo !== undefined && { reply: replyTo }) };
    return await this.connection.publisher.publish(target, body, options);
  }

  /** Resolves with the stream's acknowledgement. A second message with the same id is acknowledged too, and not kept. */
  private async store(subject: string, body: Uint8Array, headers: MsgHdrs, msgID: string): Promise<void> {
    const { stream } = this.options;
    try {
      await this.stream.publish(subject, body, { headers, msgID, expect: { streamName: stream } });
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

/** @param withReply where the message's own reply subject is the stream's. */
function describe(message: OutgoingMessage, withReply: boolean): MsgHdrs {
  const { messageId, replyTo, correlationId, expiration } = message;
  const described = headers();
  try {
    described.set(header.messageId, messageId);
    if (withReply && replyTo !== undefined) described.set(header.replyTo, replyTo);
    if (correlationId !== undefined) described.set(header.correlationId, correlationId);
    if (expiration !== undefined) described.set(header.deadline, String(Math.ceil(Date.now() + expiration)));
  } catch (error) {
    throw new Undeliverable(messageOf(error), { cause: error });
  }
  return described;
}
