import { Rejected } from '../../core/errors.ts';
import { type JsonObject, kindOf } from '../../core/json.ts';
import type { GuestArgs, Method } from '../manager.ts';
import { findLocked } from '../sql/find-locked.ts';
import { readGuards } from '../sql/read-guards.ts';
import { type BackupFields, updateBackups } from '../sql/update-backups.ts';
import { readId, readSent, readText } from './arguments.ts';
import { applyFolded } from './fold.ts';

export interface UpdateBackupArgs extends GuestArgs {
  readonly backupId: string;
  readonly fields: BackupFields;
}

/** The columns that a guest may set, each with its width in Trove's table. */
const textFields = { state: 32, checksum: 32, location: 1024, backup_type: 32 } as const;

/**
 * Updates, never inserts, the backup's columns (Trove: conductor/manager.py, `update_backup`). Fields that are no columns of
 * a guest's business are ignored, as there. The backup has to belong to the instance. The guard stands at each backup.
 */
export const updateBackup: Method<UpdateBackupArgs> = {
  parse(args, { sentRequired }) {
    const instanceId = readId(args, 'instance_id');
    const backupId = readId(args, 'backup_id');
    const guard = readSent(args, sentRequired);
    return {
      instanceId,
      backupId,
      key: JSON.stringify([backupId, instanceId]),
      guard,
      fields: readFields(args),
    };
  },

  toWire({ instanceId, backupId, guard, fields }) {
    return { instance_id: instanceId, backup_id: backupId, sent: guard, ...fields };
  },

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

function readFields(args: JsonObject): BackupFields {
  const fields: { -readonly [Key in keyof BackupFields]: BackupFields[Key] } = {};
  for (const name of ['state', 'checksum', 'location', 'backup_type'] as const) {
    const value = args[name];
    if (value === undefined) continue;
    // `state` is the one that the table wants to be there.
    if (value === null && name !== 'state') fields[name] = null;
    else fields[name] = readText(args, name, textFields[name]);
  }
  const { size } = args;
  if (size === null) fields.size = null;
  else if (typeof size === 'number' && Number.isFinite(size)) fields.size = size;
  else if (size !== undefined) {
    throw new Rejected(
      'bad_argument',
      `args.size is ${kindOf(size)}${typeof size === 'number' ? ' but not finite' : ', not a number'}`,
      'size',
    );
  }
  return fields;
}
