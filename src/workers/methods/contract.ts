import type { JsonObject } from '../../core/json.ts';
import type { CodecName } from '../../core/message/codecs/index.ts';
import type { Envelope, Principal } from '../../core/message/envelope.ts';
import type { Outcome, Resumption } from '../../core/message/outcome.ts';
import type { Db } from '../postgres/transaction.ts';
import type { NotificationSettings, WorkerSettings } from '../settings.ts';
import type { MethodDescription } from './description.ts';

/** The parsed arguments of a method. */
export interface GuestArgs {
  /** The instance that the message is about. A guest may only send about itself. */
  readonly instanceId: string;
  /**
   * The subject of the message within its method. Messages with the same key are folded and stay together when a batch is split. Of
   * deferred messages, one for each key is kept.
   */
  readonly key: string;
  /** `sent`, if the guard applies to the message. Undefined: it applies in any case and does not move the guard. */
  readonly guard: number | undefined;
}

export interface ApplyOptions {
  /** Whether unknown instances are inserted. Otherwise their heartbeats are deferred. */
  readonly autoRegister: boolean;
  readonly notifications: NotificationSettings;
}

/** A method of guests: a row of the method table that takes a whole batch. It is usually cast; a call is a batch of one. */
export interface CastMethod<Args extends GuestArgs = GuestArgs> {
  /** For `conductor describe`. */
  readonly description?: MethodDescription;
  /** Whether `parse` uses the envelope's context, which costs more to read than all the rest. */
  readonly needsContext?: boolean;
  /** Parses the arguments of a message. Throws Rejected with the argument's name. */
  parse(args: JsonObject, envelope: Envelope): Args;
  /** Writes the arguments in wire form, without those that `parse` does not know. A deferred message is stored so. */
  toWire(args: Args): JsonObject;
  /** Whether only the latest message about an instance counts. Then the latest sealed message is kept. */
  readonly latestOnly?: boolean;
  /**
   * Of two messages over the quota about one key, in the order of their arrival: which of them say all that both say. If missing, both
   * are kept.
   */
  keeps?(first: Args, second: Args): 'first' | 'second' | 'both';
  /**
   * Merges the arguments of a newer deferred message into those of an older one about the same key. If missing, a newer argument replaces
   * the older one of the same name.
   *
   * @param older and `newer` are SQL expressions of type jsonb.
   * @returns an SQL expression of type jsonb.
   */
  layOver?(older: string, newer: string): string;
  /**
   * Applies a batch inside the caller's transaction. Returns one outcome a message, in the batch's order. Locks rows in the order of
   * their keys. It may be called again with the same messages.
   */
  apply(db: Db, batch: ReadonlyArray<Args>, options: ApplyOptions): Promise<Outcome[]>;
  /**
   * Locks the rows of these messages that no other session holds, without waiting.
   *
   * @returns the keys whose rows another session holds. If `findLocked` is missing, the batch is taken apart to find them.
   */
  findLocked?(db: Db, batch: ReadonlyArray<Args>): Promise<ReadonlySet<string>>;
}

/** A method with an answer: a row of the method table that is called, one call at a time, each in its own transaction. */
export interface CallMethod<Args = unknown> {
  /** For `conductor describe`. */
  readonly description?: MethodDescription;
  /** `service`: only a principal with a grant in the configuration may call it. */
  readonly allowed: 'anyone' | 'service';
  /**
   * Whether the method changes anything. Then a call needs a message id, and acts once however often it comes. It runs inside the
   * transaction that stores its result.
   */
  readonly mutating: boolean;
  /** Parses the arguments of a call. Throws Rejected with the argument's name. */
  parse(args: JsonObject): Args;
  /** Executes the call. Resolves with the result, as JSON can write it. If it throws CallRefused, nothing is stored. */
  run(db: Db, args: Args, call: CallContext): Promise<unknown>;
}

export interface CallContext {
  readonly principal: Principal;
  readonly settings: WorkerSettings;
  /** The wire form in which the answer goes out. */
  readonly codec: CodecName;
  /** Set if the call has waited, and runs again. */
  readonly resumption?: Resumption | undefined;
}

/** The method table. A batch's methods run in its order, so that all transactions lock in the same order. */
export type Manager = Readonly<Record<string, CastMethod | CallMethod>>;

export function takesBatches(method: CastMethod | CallMethod): method is CastMethod {
  return 'apply' in method;
}

/** The version of the method table. A message may ask for the same major and for a minor that is not above it. */
export const managerVersion = { major: 1, minor: 0 } as const;
