import type { BackoffOptions } from '../core/backoff.ts';
import { ConfigError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';

export interface ClientOptions {
  /** The sender: an instance id or the name of a service. It is the last part of the address, which a broker's rules can bind. */
  readonly sender: string;
  /** The request context: `{ user, tenant, request_id }`, or with codec `oslo` `{ user, project_id, ... }`. */
  readonly context?: JsonObject | undefined;
  /** The most casts that are not on the broker yet, waiting or under way. 1000 by default. */
  readonly maxBuffered?: number | undefined;
  /** The most casts that wait for the broker's confirmation at once. 256 by default. */
  readonly maxInFlight?: number | undefined;
  /** The most calls that wait for their answers. 256 by default. */
  readonly maxCalls?: number | undefined;
  /** The longest body in bytes. 256 KiB by default, like the conductor's `maxBody`: a longer body would be a dead letter. */
  readonly maxBody?: number | undefined;
  /** Milliseconds: the upper ends of the first delay before a reconnect (200) and of all delays (10 000). */
  readonly reconnect?: BackoffOptions | undefined;
  /** Milliseconds since the epoch, for `sent`. By default the system's clock. */
  readonly now?: (() => number) | undefined;
}

export interface CastOptions {
  /** By default a new one. */
  readonly messageId?: string | undefined;
  /** A sender other than the client's, for a gateway that sends for several guests. */
  readonly sender?: string | undefined;
  /** Stops waiting. A message that is under way may still arrive. */
  readonly signal?: AbortSignal | undefined;
}

export interface CallOptions extends CastOptions {
  /** Milliseconds to wait for the answer. 30 000 by default. After that the broker may drop the message. */
  readonly timeout?: number | undefined;
}

export interface CloseOptions {
  /** Milliseconds to wait for unfinished casts and calls. 5000 by default. */
  readonly deadline?: number | undefined;
}

/** Characters that separate parts of an address on any broker, or are wildcards of a broker. */
const badSender = /[\s./+#*>\0]/;

const limits = { maxBuffered: 1000, maxInFlight: 256, maxCalls: 256, maxBody: 256 * 1024 };

/** The sender, if it can be a part of an address on any broker. Throws ConfigError. */
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

/** The longest time of a timer, in milliseconds. */
export const longestTimer = 2 ** 31 - 1;
