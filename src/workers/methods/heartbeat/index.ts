import type { CastMethod } from '../contract.ts';
import { findLocked } from '../find-locked.ts';
import { applyFolded } from '../fold.ts';
import { readGuards } from '../read-guards.ts';
import { restartRequired, type Status, statuses } from '../statuses.ts';
import { type HeartbeatArgs, readHeartbeat, writeHeartbeat } from './arguments.ts';
import { description } from './description.ts';
import { registerInstances } from './register-instances.ts';
import { upsertStatuses } from './upsert-statuses.ts';

const absorbing = [...statuses.values()].find(({ id }) => id === restartRequired)?.description;

/**
 * Upserts the instance's service status and sets its `updated_at` (Trove: conductor/manager.py, `heartbeat`). A payload without a
 * status only sets `updated_at` and does not move the guard.
 */
export const heartbeat: CastMethod<HeartbeatArgs> = {
  description,
  latestOnly: true,

  parse: (args, { sentRequired }) => readHeartbeat(args, sentRequired),

  toWire: writeHeartbeat,

  /** As in `foldStatus`: RESTART_REQUIRED absorbs later heartbeats, and a heartbeat without a status changes nothing. */
  layOver: (older, newer) =>
    `CASE WHEN ${older} #>> '{payload,service_status}' = '${absorbing}' OR ${newer} -> 'payload' = '{}'
      THEN ${older} ELSE ${older} || ${newer} END`,

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

/** The status after a heartbeat. A heartbeat does not end RESTART_REQUIRED, and one without a status keeps the status. */
function foldStatus(before: Status | undefined, { status }: HeartbeatArgs): Status | undefined {
  return status === undefined || before?.id === restartRequired ? before : status;
}
