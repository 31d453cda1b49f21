import type { JsonObject } from '../core/json.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Db } from './db.ts';
import { heartbeat } from './methods/heartbeat.ts';
import { updateBackup } from './methods/update-backup.ts';

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
}

/** One row of the method table. */
export interface Method<Args extends GuestArgs = GuestArgs> {
  /** Reads the arguments as they came over the wire. Throws Rejected with the field's name. */
  parse(args: JsonObject, sentRequired: boolean): Args;
  /** The arguments in wire form again, without what `parse` does not know: what is kept of a deferred message. */
  toWire(args: Args): JsonObject;
  /**
   * Applies a batch inside the caller's transaction: one outcome a message, in the batch's order. Locks rows in the order of
   * their keys. May be called again with the same messages.
   */
  apply(db: Db, batch: ReadonlyArray<Args>, options: ApplyOptions): Promise<Outcome[]>;
}

/** The method table, in the one order in which a batch's methods run, so that transactions lock in the same order. */
export type Manager = Readonly<Record<string, Method>>;

export const manager: Manager = { heartbeat, update_backup: updateBackup };

/** The version of the method table: a message may ask for the same major and a minor not above it. */
export const managerVersion = { major: 1, minor: 0 } as const;
