import type { Seen } from './page-data.ts';

/**
 * The JSON that a replica gives to the status page. Its scripts are checked against these types (tsconfig.page.json), and so are the parts
 * that make the answers. This file imports nothing that a browser does not have.
 *
 * `Time` is `Date` where an answer is made, and `string` where it has arrived.
 */

/** One point of the plots: the time since the last one. */
export interface Point {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Writes to the table of statuses in a second, of all replicas. Null: unknown. */
  readonly heartbeats: number | null;
  /** Committed messages of this replica in a second. */
  readonly committed: number | null;
  /** Milliseconds from the arrival of a message at this replica to its commit, which half of the messages stay below. Null: there were none. */
  readonly median: number | null;
  /** The same for 99 of 100 messages. */
  readonly slowest: number | null;
}

export interface PageTransport {
  readonly state: 'connecting' | 'consuming' | 'waiting' | 'parked' | 'stopped';
  readonly lastError: string | undefined;
  readonly lastErrorAt: string | undefined;
  readonly stalled: { readonly seconds: number; readonly because: string } | undefined;
  readonly adopting:
    | { readonly replica: string; readonly seconds: number; readonly messages: number }
    | undefined;
  readonly received: number;
  readonly held: number;
  readonly waiting: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

export interface PageHealth {
  readonly status: 'ok' | 'degraded' | 'held' | 'down' | 'stopping' | 'wedged';
  readonly heldBecause: string | undefined;
  readonly heldSince: string | undefined;
  readonly putAsideBecause: string | undefined;
  readonly wedgedBecause: string | undefined;
  readonly transports: Readonly<Record<string, PageTransport>>;
  readonly clocks: Readonly<Record<'ahead' | 'muted', { readonly count: number }>>;
}

/** An event `state` of `/api/live`. */
export interface PageState extends Seen {
  /** Milliseconds since the epoch, by the clock of the replica. */
  readonly at: number;
  readonly replica: string;
  readonly version: string;
  readonly health: PageHealth;
  /** The protocol of each transport. */
  readonly kinds: Readonly<Record<string, string>>;
}

/** An instance, as `conductor explain` tells of it. */
export interface InstanceAnswer<Time> {
  readonly instance: { readonly name: string | null; readonly created: Time | null } | null;
  readonly status: {
    readonly status: string;
    readonly updatedAt: Time | null;
    /** Seconds. */
    readonly silentFor: number | null;
    /** Seconds since the epoch. */
    readonly sent: number | null;
  } | null;
  readonly why: ReadonlyArray<string>;
  readonly transitions: ReadonlyArray<{
    readonly changedAt: Time;
    readonly from: string | null;
    readonly to: string;
    readonly cause: string;
  }>;
  readonly deferred: ReadonlyArray<{
    readonly firstDeferredAt: Time;
    readonly method: string;
    readonly transport: string;
    readonly reason: string;
    readonly attempts: number;
  }>;
  readonly dead: ReadonlyArray<
    Pick<LetterLine<Time>, 'id' | 'diedAt' | 'method' | 'transport' | 'reason' | 'state'>
  >;
}

/** A dead letter in a list. */
export interface LetterLine<Time> {
  readonly id: string;
  readonly diedAt: Time;
  readonly transport: string;
  readonly reason: string;
  readonly detail: string | null;
  readonly method: string | null;
  readonly instance: string | null;
  readonly counted: number | null;
  readonly state: 'dead' | 'waiting' | 'redriven';
  readonly editedAt: Time | null;
  readonly redrivenAt: Time | null;
  readonly redriveOutcome: string | null;
}

export interface LettersAnswer<Time> {
  readonly letters: ReadonlyArray<LetterLine<Time>>;
  readonly more: boolean;
}

/** One dead letter. A body that is no text comes in hexadecimal. */
export interface LetterAnswer<Time> extends LetterLine<Time> {
  readonly messageId: string | null;
  readonly sender: string | null;
  readonly senderProof: string | null;
  readonly bodySize: number;
  /** Why it cannot be redriven as it is. */
  readonly refusal: string | null;
  readonly editedBy: string | null;
  readonly redriveBy: string | null;
  readonly trace: { readonly traceparent: string; readonly tracestate?: string | undefined } | null;
  readonly body?: string | null;
  readonly bodyHex?: string | null;
  readonly editedBody?: string | null;
}

export interface RedriveAnswer {
  readonly marked: number;
  /** Counts by the reason. */
  readonly refused: Readonly<Record<string, number>>;
}

export interface SessionAnswer {
  readonly signedIn: boolean;
  readonly hasToken: boolean;
}

/** The answers by the path, as they arrive. */
export interface Answers {
  readonly '/session': SessionAnswer;
  readonly '/api/instance': InstanceAnswer<string>;
  readonly '/api/letters': LettersAnswer<string>;
  readonly '/api/letter': LetterAnswer<string>;
  readonly '/api/letter/body': unknown;
  readonly '/api/letters/redrive': RedriveAnswer;
}
