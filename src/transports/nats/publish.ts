import { setImmediate } from 'node:timers/promises';
import {
  errors,
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type RequestOptions,
} from '@nats-io/transport-node';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { TraceContext } from '../../core/message/trace-context.ts';
import type { Publication } from '../../core/transport/contract.ts';
import { covers, isWritableName, natsWildcards } from '../../core/transport/names.ts';
import type { SessionLife } from '../../core/transport/session-life.ts';
import { permissionViolation } from './connect.ts';
import { header } from './read-headers.ts';

interface UnderWay {
  readonly subject: string;
  readonly reject: (error: Error) => void;
}

/**
 * Publishes without a stream's acknowledgement. The server has a message once it has answered a ping after it. It does not say whether
 * anybody is subscribed. It reports a refused message before that answer, and names the subject.
 */
export class Publisher {
  private readonly connection: NatsConnection;
  private readonly underWay = new Set<UnderWay>();
  private readonly life: SessionLife;

  constructor(connection: NatsConnection, life: SessionLife) {
    this.connection = connection;
    this.life = life;
  }

  /** Rejects with Undeliverable if the server refuses the message, with NotConnected if the connection ends before its answer. */
  async publish(
    subject: string,
    body: Uint8Array,
    options: { readonly headers?: MsgHdrs; readonly reply?: string } = {},
  ): Promise<void> {
    if (!this.life.open) throw new NotConnected('the connection is closed');
    try {
      this.connection.publish(subject, body, options);
    } catch (error) {
      throw error instanceof errors.ClosedConnectionError
        ? new NotConnected(messageOf(error), { cause: error })
        : new Undeliverable(`cannot be published to ${subject}: ${messageOf(error)}`, { cause: error });
    }
    await this.unlessRefused(subject, this.flush());
  }

  /**
   * Publishes and resolves with the answer. Rejects with Undeliverable if the server refuses the message, with NoRespondersError if nobody
   * is there, with another error if no answer comes in so many milliseconds.
   */
  async request(subject: string, body: Uint8Array, timeout: number, headers?: MsgHdrs): Promise<Uint8Array> {
    if (!this.life.open) throw new NotConnected('the connection is closed');
    const options = { timeout, ...(headers !== undefined && { headers }) };
    const { data } = await this.unlessRefused(subject, this.answerTo(subject, body, options));
    return data;
  }

  private async answerTo(subject: string, body: Uint8Array, options: RequestOptions): Promise<Msg> {
    try {
      return await this.connection.request(subject, body, options);
    } catch (error) {
      const { cause } = error instanceof Error ? error : {};
      if (cause instanceof errors.NoRespondersError) throw cause;
      throw permissionViolation(error) === undefined
        ? error
        : new Undeliverable(`the broker refuses it: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Settles as the promise does, or rejects with Undeliverable if the server refuses a message to this subject. */
  private async unlessRefused<Result>(subject: string, promise: Promise<Result>): Promise<Result> {
    let reject: (error: Error) => void = () => {};
    const refused = new Promise<never>((_resolve, rejectIt) => {
      reject = rejectIt;
    });
    const entry = { subject, reject };
    this.underWay.add(entry);
    try {
      return await this.life.wait(Promise.race([promise, refused]));
    } finally {
      this.underWay.delete(entry);
    }
  }

  private async flush(): Promise<void> {
    try {
      await this.connection.flush();
      // The library passes on the server's complaint a few microtasks later, and its answer to the ping at once.
      await setImmediate();
    } catch (error) {
      throw new NotConnected(messageOf(error), { cause: error });
    }
  }

  /** Takes a complaint of the server. Returns whether it concerns a message that was published here. */
  refused(error: Error): boolean {
    const violation = permissionViolation(error);
    if (violation?.operation !== 'publish') return false;
    const refused = [...this.underWay].filter(({ subject }) => subject === violation.subject);
    for (const { reject } of refused) reject(new Undeliverable(`the broker refuses it: ${error.message}`));
    return refused.length > 0;
  }
}

/** The header by which a structured event is recognized (NATS protocol binding for CloudEvents, section 3.2). */
export const contentTypeHeader = 'content-type';

/** Headers for a publication; undefined if it needs none. Throws Undeliverable if an id does not fit into a header. */
export function publicationHeaders({
  messageId,
  correlationId,
  contentType,
  trace,
}: Publication): MsgHdrs | undefined {
  const texts = [messageId, correlationId, contentType, trace];
  if (texts.every((one) => one === undefined)) return undefined;
  const made = headers();
  try {
    if (messageId !== undefined) made.set(header.messageId, messageId);
    if (correlationId !== undefined) made.set(header.correlationId, correlationId);
    if (contentType !== undefined) made.set(contentTypeHeader, contentType);
    setTrace(made, trace);
  } catch (error) {
    throw new Undeliverable(`an id does not fit into a header: ${messageOf(error)}`, { cause: error });
  }
  return made;
}

/** Writes the context of a span. Throws over a text that does not fit into a header. */
export function setTrace(made: MsgHdrs, trace: TraceContext | undefined): void {
  for (const [name, value] of Object.entries(trace ?? {})) if (value !== undefined) made.set(name, value);
}

/**
 * Whether an answer may go to a subject. The caller chooses the name, and we publish with our own permissions. So these are refused: the
 * server's own subjects, where a message is a command; subjects that prove guests; and names over which the server would end the
 * connection, such as a long one.
 *
 * @param own the consumed subjects. An answer would come back as a message.
 */
export function mayAnswerTo(name: string, own: ReadonlyArray<string>): boolean {
  const isOne = isWritableName(name) && !name.startsWith('$') && !/[\s*>]/.test(name);
  return isOne && !own.some((pattern) => covers(pattern, name, natsWildcards));
}
