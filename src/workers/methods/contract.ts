import type { JsonObject } from '../../core/json.ts';
import type { Envelope, Principal } from '../../core/message/envelope.ts';
import type { Outcome } from '../../core/message/outcome.ts';
import type { Db } from '../postgres/transaction.ts';
import type { NotificationSettings, WorkerSettings } from '../settings.ts';

/** A method's arguments, parsed. */
export interface GuestArgs {
  /** Whom the message is about; a guest may only speak of itself. */
  readonly instanceId: string;
  /**
   * What the message is about, within its method. Messages with the same key are folded, stay together when a batch is
   * split, and of those that are deferred one is kept.
   */
  readonly key: string;
  /** `sent`, where the message is subject to the guard. Undefined: it applies in any case and moves no guard. */
  readonly guard: number | undefined;
}

export interface ApplyOptions {
  /** Insert unknown instances instead of deferring their heartbeats. */
  readonly autoRegister: boolean;
  readonly notifications: NotificationSettings;
}

/** A method of guests: a row of the method table that takes a whole batch at once. Usually cast; a call is a batch of one. */
export interface CastMethod<Args extends GuestArgs = GuestArgs> {
  /** Whether `parse` has a use for the envelope's context, which costs more to read than all the rest. */
  readonly needsContext?: boolean;
  /** Reads the arguments as they came over the wire. Throws Rejected with the field's name. */
  parse(args: JsonObject, envelope: Envelope): Args;
  /** The arguments in wire form again, without what `parse` does not know: what is kept of a deferred message. */
  toWire(args: Args): JsonObject;
  /** Of the messages about one instance only the latest counts: of those that cannot be read yet the latest is kept. */
  readonly latestOnly?: boolean;
  /**
   * How the arguments of a newer deferred message are laid over those of an older one about the same key. Left out: the newer
   * argument replaces the older one of the same name.
   *
   * @param older and `newer` are SQL expressions of type jsonb.
   * @returns an SQL expression of type jsonb.
   */
  layOver?(older: string, newer: string): string;
  /**
   * Applies a batch inside the caller's transaction: one outcome a message, in the batch's order. Locks rows in the order of
   * their keys. May be called again with the same messages.
   */
  apply(db: Db, batch: ReadonlyArray<Args>, options: ApplyOptions): Promise<Outcome[]>;
  /**
   * Locks the rows that these messages are about, as far as no other session holds them, without waiting.
   *
   * @returns the keys whose rows another session holds. Left out: the batch is taken apart to find them.
   */
  findLocked?(db: Db, batch: ReadonlyArray<Args>): Promise<ReadonlySet<string>>;
}

/** A method with an answer: a row of the method table that is called, one at a time, each in a transaction of its own. */
export interface CallMethod<Args = unknown> {
  /** `service`: only a principal that the configuration grants it to. */
  readonly allowed: 'anyone' | 'service';
  /**
   * Whether it changes anything: then it has to come with a message id, and acts once however often that comes. It is run
   * inside the transaction that keeps its result.
   */
  readonly mutating: boolean;
  /** Reads the arguments as they came over the wire. Throws Rejected with the field's name. */
  parse(args: JsonObject): Args;
  /** Executes the call; resolves with what the caller gets, as JSON can say it. Throws CallRefused, and nothing is kept. */
  run(db: Db, args: Args, call: CallContext): Promise<unknown>;
}

export interface CallContext {
  readonly principal: Principal;
  readonly settings: WorkerSettings;
}

/** The method table, in the one order in which a batch's methods run, so that transactions lock in the same order. */
export type Manager = Readonly<Record<string, CastMethod | CallMethod>>;

export function takesBatches(method: CastMethod | CallMethod): method is CastMethod {
  return 'apply' in method;
}

/** The version of the method table: a message may ask for the same major and a minor not above it. */
export const managerVersion = { major: 1, minor: 0 } as const;
