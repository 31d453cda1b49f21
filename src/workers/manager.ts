import type { Envelope, Principal } from '../core/envelope.ts';
import type { JsonObject } from '../core/json.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Db } from './db.ts';
import { heartbeat } from './methods/heartbeat.ts';
import { modelCreate } from './methods/model-create.ts';
import { modelDelete } from './methods/model-delete.ts';
import { modelGet } from './methods/model-get.ts';
import { modelList } from './methods/model-list.ts';
import { modelUpdate } from './methods/model-update.ts';
import type { NotificationSettings } from './methods/notification.ts';
import { notifyEnd, notifyExcInfo } from './methods/notify.ts';
import { ping } from './methods/ping.ts';
import { reportRoot } from './methods/report-root.ts';
import { updateBackup } from './methods/update-backup.ts';
import type { WorkerSettings } from './protocol.ts';

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

interface ApplyOptions {
  /** Insert unknown instances instead of deferring their heartbeats. */
  readonly autoRegister: boolean;
  readonly notifications: NotificationSettings;
}

/** A method of guests: a row of the method table that takes a whole batch at once. Usually cast; a call is a batch of one. */
export interface Method<Args extends GuestArgs = GuestArgs> {
  /** Whether `parse` has a use for the envelope's context, which costs more to read than all the rest. */
  readonly needsContext?: boolean;
  /** Reads the arguments as they came over the wire. Throws Rejected with the field's name. */
  parse(args: JsonObject, envelope: Envelope): Args;
  /** The arguments in wire form again, without what `parse` does not know: what is kept of a deferred message. */
  toWire(args: Args): JsonObject;
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
export type Manager = Readonly<Record<string, Method | CallMethod>>;

export function takesBatches(method: Method | CallMethod): method is Method {
  return 'apply' in method;
}

export const manager: Manager = {
  heartbeat,
  update_backup: updateBackup,
  report_root: reportRoot,
  notify_exc_info: notifyExcInfo,
  notify_end: notifyEnd,
  ping,
  model_create: modelCreate,
  model_get: modelGet,
  model_list: modelList,
  model_update: modelUpdate,
  model_delete: modelDelete,
};

/** The version of the method table: a message may ask for the same major and a minor not above it. */
export const managerVersion = { major: 1, minor: 0 } as const;
