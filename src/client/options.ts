import type { BackoffOptions } from '../core/backoff.ts';
import { ConfigError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';

export interface ClientOptions {
  /** Who sends: an instance id or the name of a service. The last part of the address, which a broker's own rules can bind. */
  readonly sender: string;
  /** On whose behalf: `{ user, tenant, request_id }`, or with codec `oslo` `{ user, project_id, ... }`. */
  readonly context?: JsonObject | undefined;
  /** Casts that are not on the broker yet at most, waiting or under way; 1000 unless told. */
  readonly maxBuffered?: number | undefined;
  /** Casts that wait for the broker's confirmation at once at most; 256 unless told. */
  readonly maxInFlight?: number | undefined;
  /** Calls that wait for their answers at most; 256 unless told. */
  readonly maxCalls?: number | undefined;
  /** Bytes of a body at most. 256 KiB by default, as the conductor's `maxBody`: a longer body would be a dead letter. */
  readonly maxBody?: number | undefined;
  /** Milliseconds: the upper ends of the first delay before the broker is tried again, 200, and of any, 10 000. */
  readonly reconnect?: BackoffOptions | undefined;
  /** Milliseconds since the epoch, for `sent`; the system's clock unless told. */
  readonly now?: (() => number) | undefined;
}

export interface CastOptions {
  /** A new one unless given. */
  readonly messageId?: string | undefined;
  /** Another sender than the client's, for a gateway that speaks for several. */
  readonly sender?: string | undefined;
  /** Stops waiting. A message that was already on its way may still be sent. */
  readonly signal?: AbortSignal | undefined;
}

export interface CallOptions extends CastOptions {
  /** Milliseconds to wait for the answer, 30 000 unless told; the broker may forget the message then. */
  readonly timeout?: number | undefined;
}

export interface CloseOptions {
  /** Milliseconds to wait for unfinished casts and calls. 5000 by default. */
  readonly deadline?: number | undefined;
}

/** Parts of an address, on any broker; and what the brokers' patterns are made of. */
const badSender = /[\s./+#*>\0]/;

const limits = { maxBuffered: 1000, maxInFlight: 256, maxCalls: 256, maxBody: 256 * 1024 };

/** The sender, if it can be part of an address on any broker. Throws ConfigError. */
export function checkSender(sender: unknown): string {
  if (typeof sender === 'string' && sender !== '' && sender.length <= 255 && !badSender.test(sender))
    return sender;
  throw new ConfigError(
    'sender: must be a text of 1 to 255 characters without spaces and without any of . / + # * >',
  );
}

/** An option that is a whole number above 0, or its default. Throws ConfigError. */
export function positive(name: keyof typeof limits, value: number = limits[name]): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new ConfigError(`${name}: must be a whole number above 0, not ${value}`);
}

/** Milliseconds. */
export const usualBackoff: BackoffOptions = { base: 200, max: 10_000 };

/** The longest that a timer can wait, in milliseconds. */
export const longestTimer = 2 ** 31 - 1;
