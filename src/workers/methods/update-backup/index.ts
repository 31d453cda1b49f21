import type { CastMethod } from '../contract.ts';
import { findLocked } from '../find-locked.ts';
import { applyFolded } from '../fold.ts';
import { readGuards } from '../read-guards.ts';
import {
  type BackupFields,
  readUpdateBackup,
  type UpdateBackupArgs,
  writeUpdateBackup,
} from './arguments.ts';
import { description } from './description.ts';
import { updateBackups } from './update-backups.ts';

/**
 * Updates the backup's columns and never inserts a row (Trove: conductor/manager.py, `update_backup`). The backup must belong to the
 * instance. Each backup has its own guard.
 */
export const updateBackup: CastMethod<UpdateBackupArgs> = {
  description,
  parse: (args, { sentRequired }) => readUpdateBackup(args, sentRequired),

  toWire: writeUpdateBackup,

  apply(db, batch) {
    return applyFolded(batch, {
      initial: {},
      reduce: (before: BackupFields, { fields }) => ({ ...before, ...fields }),
      write: (folds) => updateBackups(db, folds),
      readGuards: (of) =>
        readGuards(
          db,
          'backups',
          of.map(({ backupId }) => backupId),
        ),
    });
  },

  async findLocked(db, batch) {
    const ids = batch.map(({ backupId }) => backupId);
    const locked = await findLocked(db, 'backups', ids);
    return new Set(batch.flatMap(({ backupId, key }) => (locked.has(backupId) ? [key] : [])));
  },
};
