import { NotConnected, Undeliverable } from '../core/errors.ts';
import type { Answer } from '../core/message/envelope.ts';
import type { OutgoingMessage, SenderSession } from '../core/transport/sender.ts';
import { BufferFull, CallTimeout, RemoteError } from './errors.ts';

/** A call as the caller makes it. */
export interface CallRequest {
  readonly method: string;
  readonly messageId: string;
  readonly correlationId: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  /** Makes the message, once the reply address and the milliseconds that are left are known. */
  readonly message: (session: SenderSession, replyTo: string, left: number) => OutgoingMessage;
}

interface Pending {
  readonly request: CallRequest;
  /** Milliseconds of the monotonic clock. */
  readonly deadline: number;
  /** The session that it was sent on; undefined while it waits for a connection. */
  session: SenderSession | undefined;
  settle(outcome: { readonly result: unknown } | { readonly error: unknown }): void;
}

/**
 * Unanswered calls. Without a connection a call waits for one until its timeout. If the connection breaks after a call was sent, the call
 * fails: its reply address has gone, and only the caller can decide whether to repeat it.
 */
export class Calls {
  private readonly limit: number;
  private readonly lastError: () => string | undefined;
  private readonly pending = new Map<string, Pending>();
  private session: SenderSession | undefined;

  constructor(limit: number, lastError: () => string | undefined) {
    this.limit = limit;
    this.lastError = lastError;
  }

  get size(): number {
    return this.pending.size;
  }

  /** Resolves with the result; rejects with RemoteError, CallTimeout, BufferFull, NotConnected, Undeliverable or the signal's reason. */
  call(request: CallRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      request.signal?.throwIfAborted();
      if (this.pending.size >= this.limit)
        throw new BufferFull(`${this.limit} calls wait for their answers already; this one was not sent`);
      const timer = setTimeout(() => settle({ error: this.timedOut(pending) }), request.timeout);
      const abort = () => settle({ error: request.signal?.reason });
      request.signal?.addEventListener('abort', abort, { once: true });
      const settle: Pending['settle'] = (outcome) => {
        if (!this.pending.delete(request.correlationId)) return;
        clearTimeout(timer);
        request.signal?.removeEventListener('abort', abort);
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.result);
      };
      const pending: Pending = {
        request,
        deadline: performance.now() + request.timeout,
        session: undefined,
        settle,
      };
      this.pending.set(request.correlationId, pending);
      if (this.session !== undefined) this.send(this.session, pending);
    });
  }

  /** Sends the waiting calls on this connection. */
  begun(session: SenderSession): void {
    this.session = session;
    for (const pending of this.pending.values()) {
      if (pending.session === undefined) this.send(session, pending);
    }
  }

  ended(session: SenderSession): void {
    this.session = undefined;
    for (const pending of [...this.pending.values()]) {
      if (pending.session === session) pending.settle({ error: interrupted(pending) });
    }
  }

  /** Ignores the answer to a call that has timed out. */
  answered(correlationId: string, answer: Answer): void {
    const outcome =
      'result' in answer
        ? { result: answer.result }
        : { error: new RemoteError(answer.error.class, answer.error.message, answer.error.argument) };
    this.pending.get(correlationId)?.settle(outcome);
  }

  failAll(error: Error): void {
    for (const pending of [...this.pending.values()]) pending.settle({ error });
  }

  private send(session: SenderSession, pending: Pending): void {
    pending.session = session;
    const { replyTo } = session;
    if (replyTo === undefined) {
      const why = 'the broker offers no address for replies';
      pending.settle({ error: new Undeliverable(`${pending.request.method} cannot be called: ${why}`) });
      return;
    }
    const left = Math.max(1, Math.ceil(pending.deadline - performance.now()));
    try {
      session.send(pending.request.message(session, replyTo, left)).catch((error: unknown) => {
        pending.settle({ error: error instanceof NotConnected ? interrupted(pending) : error });
      });
    } catch (error) {
      pending.settle({ error });
    }
  }

  private timedOut({ request, session }: Pending): CallTimeout {
    const { method, messageId, timeout } = request;
    const last = this.lastError();
    const why =
      session !== undefined
        ? ''
        : `: it was never sent, for want of a connection${last === undefined ? '' : ` (${last})`}`;
    return new CallTimeout(`${method} was not answered within ${timeout} ms${why}`, messageId);
  }
}

function interrupted({ request: { method, messageId } }: Pending): NotConnected {
  return new NotConnected(
    `the connection broke before ${method} was answered; it may have been carried out. Calling again with messageId ${messageId} is safe`,
  );
}
