import { messageOf, NotConnected } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { isObject } from '../core/json.ts';
import type { OutgoingMessage, SenderSession } from '../core/transport/sender.ts';
import { type Buffered, type HeartbeatKey, OutboundBuffer } from './buffer.ts';

/** `sent`: the broker has the cast. `superseded`: a newer heartbeat of the same instance replaced it before it was sent. */
export type CastResult = 'sent' | 'superseded';

interface Cast extends Buffered {
  readonly message: OutgoingMessage;
  /** Whether its caller has stopped waiting. */
  abandoned: boolean;
  readonly resolve: (result: CastResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Casts on their way to the broker. A bounded number is under way at once, and the others wait in the buffer. Casts that were under way
 * when the connection broke wait again, at their old place.
 */
export class Casts {
  private readonly buffer: OutboundBuffer<Cast>;
  private readonly maxInFlight: number;
  private readonly changed: () => void;
  /** Undefined once the session shows the first sign of its end. */
  private session: SenderSession | undefined;
  private inFlight = 0;
  /** Set once no more casts will be sent. */
  private over: Error | undefined;

  /** @param changed is called when there may be fewer casts left. */
  constructor(maxBuffered: number, maxInFlight: number, changed: () => void) {
    this.buffer = new OutboundBuffer(maxBuffered);
    this.maxInFlight = maxInFlight;
    this.changed = changed;
  }

  /** The number of casts that are not on the broker yet. */
  get size(): number {
    return this.buffer.size;
  }

  /** Sends a cast. Rejects with BufferFull, Undeliverable, NotConnected or the signal's reason. */
  cast(
    message: OutgoingMessage,
    heartbeat: HeartbeatKey | undefined,
    signal?: AbortSignal,
  ): Promise<CastResult> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        cast.abandoned = true;
        this.buffer.remove(cast);
        cast.reject(signal?.reason);
        this.changed();
      };
      const forget = () => signal?.removeEventListener('abort', abort);
      const cast: Cast = {
        message,
        heartbeat,
        abandoned: false,
        resolve: (result) => {
          forget();
          resolve(result);
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      };
      try {
        signal?.throwIfAborted();
        signal?.addEventListener('abort', abort, { once: true });
        supersede(this.buffer.add(cast));
      } catch (error) {
        cast.reject(error);
        return;
      }
      this.pump();
    });
  }

  begun(session: SenderSession): void {
    this.session = session;
    this.pump();
  }

  ended(): void {
    this.session = undefined;
  }

  /** Rejects the waiting casts now, and the unconfirmed ones when they return. */
  fail(error: Error): void {
    this.over = error;
    for (const cast of this.buffer.clear()) cast.reject(error);
    this.changed();
  }

  private pump(): void {
    while (this.session !== undefined && this.inFlight < this.maxInFlight) {
      const cast = this.buffer.take();
      if (cast === undefined) return;
      this.inFlight += 1;
      void this.send(this.session, cast);
    }
  }

  /** Never rejects. */
  private async send(session: SenderSession, cast: Cast): Promise<void> {
    try {
      await session.send(cast.message);
      this.buffer.done(cast);
      cast.resolve('sent');
    } catch (error) {
      if (error instanceof NotConnected && this.over === undefined) {
        // The session's end is under way. Until then it cannot be used.
        if (this.session === session) this.session = undefined;
        this.giveBack(cast);
      } else {
        this.buffer.done(cast);
        cast.reject(this.over === undefined ? error : unknownFate(error));
      }
    }
    this.inFlight -= 1;
    this.pump();
    this.changed();
  }

  private giveBack(cast: Cast): void {
    if (cast.abandoned) this.buffer.done(cast);
    else supersede(this.buffer.giveBack(cast));
  }
}

/** The instance, the `sent` and whether there is a status, by which the buffer finds the newest heartbeat; undefined for other messages. */
export function heartbeatKey(
  method: string,
  { instance_id, sent, payload }: JsonObject,
): HeartbeatKey | undefined {
  if (method !== 'heartbeat' || typeof instance_id !== 'string' || typeof sent !== 'number') return undefined;
  const hasStatus = isObject(payload) && payload.service_status !== undefined;
  return { instance: instance_id, hasStatus, sent };
}

function supersede(casts: ReadonlyArray<Cast>): void {
  for (const cast of casts) cast.resolve('superseded');
}

function unknownFate(error: unknown): Error {
  return new NotConnected(`the client was closed before the broker had answered: ${messageOf(error)}`, {
    cause: error,
  });
}
