import { Rejected } from '../../core/errors.ts';
import { isObject, kindOf } from '../../core/json.ts';
import type { GuestArgs, Method } from '../manager.ts';
import { findLocked } from '../sql/find-locked.ts';
import { readGuards } from '../sql/read-guards.ts';
import { registerInstances } from '../sql/register-instances.ts';
import { upsertStatuses } from '../sql/upsert-statuses.ts';
import { readId, readSent } from './arguments.ts';
import { applyFolded } from './fold.ts';
import { restartRequired, type Status, statuses } from './statuses.ts';

export interface HeartbeatArgs extends GuestArgs {
  /** Undefined: the guest only says that it is alive. */
  readonly status: Status | undefined;
}

/**
 * Upserts the instance's service status and touches its `updated_at` (Trove: conductor/manager.py, `heartbeat`). A payload
 * without a status only touches, and does not advance the guard: it says nothing that a status sent before it could undo.
 */
export const heartbeat: Method<HeartbeatArgs> = {
  parse(args, { sentRequired }) {
    const instanceId = readId(args, 'instance_id');
    const sent = readSent(args, sentRequired);
    const { payload } = args;
    if (!isObject(payload))
      throw new Rejected('bad_argument', `args.payload is ${kindOf(payload)}, not an object`, 'payload');
    const status = readStatus(payload.service_status);
    return { instanceId, key: instanceId, guard: status === undefined ? undefined : sent, status };
  },

  toWire({ instanceId, guard, status }) {
    return { instance_id: instanceId, sent: guard, payload: { service_status: status?.description } };
  },

  async apply(db, batch, { autoRegister }) {
    // Before any status row is locked, so that all transactions lock instances first.
    if (autoRegister) await registerInstances(db, [...new Set(batch.map(({ instanceId }) => instanceId))]);
    return applyFolded(batch, {
      initial: undefined,
      reduce: foldStatus,
      write: (folds) => upsertStatuses(db, folds),
      readGuards: (of) =>
        readGuards(
          db,
          'service_statuses',
          of.map(({ instanceId }) => instanceId),
        ),
    });
  },

  findLocked: (db, batch) =>
    findLocked(
      db,
      'service_statuses',
      batch.map(({ instanceId }) => instanceId),
    ),
};

/** The status after a heartbeat: a heartbeat does not end RESTART_REQUIRED, and one without status leaves it as it is. */
function foldStatus(before: Status | undefined, { status }: HeartbeatArgs): Status | undefined {
  return status === undefined || before?.id === restartRequired ? before : status;
}

function readStatus(word: unknown): Status | undefined {
  if (word === undefined || word === null) return undefined;
  if (typeof word !== 'string') {
    throw new Rejected(
      'bad_argument',
      `args.payload.service_status is ${kindOf(word)}, not a string`,
      'payload',
    );
  }
  const status = statuses.get(word);
  if (status === undefined) {
    throw new Rejected(
      'bad_argument',
      `args.payload.service_status is ${JSON.stringify(word.slice(0, 64))}, not a status`,
      'payload',
    );
  }
  return status;
}
