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

  keeps: keptHeartbeat,

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

/** Of two heartbeats the one whose status `foldStatus` ends with; both if the newer one does not end a RESTART_REQUIRED. */
function keptHeartbeat(first: HeartbeatArgs, second: HeartbeatArgs): 'first' | 'second' | 'both' {
  if (second.status === undefined) return 'first';
  if (first.status === undefined) return 'second';
  // Without `sent` it is newer than all before it. Of two with the same `sent` the first one counts.
  const isInOrder = second.guard === undefined || (first.guard !== undefined && first.guard < second.guard);
  const [older, newer] = isInOrder ? [first, second] : [second, first];
  if (older.status?.id === restartRequired && newer.status?.id !== restartRequired) return 'both';
  return newer === first ? 'first' : 'second';
}

/** The status after a heartbeat. A heartbeat does not end RESTART_REQUIRED, and one without a status keeps the status. */
function foldStatus(before: Status | undefined, { status }: HeartbeatArgs): Status | undefined {
  return status === undefined || before?.id === restartRequired ? before : status;
}
