import { Rejected } from '../../../core/errors.ts';
import { type JsonObject, jsonTypeOf } from '../../../core/json.ts';
import { readId, readSent, readText } from '../arguments.ts';
import type { GuestArgs } from '../contract.ts';

/** The columns of `backups` that a guest may set. A missing one keeps its value. */
export interface BackupFields {
  readonly state?: string;
  readonly size?: number | null;
  readonly checksum?: string | null;
  readonly location?: string | null;
  readonly backup_type?: string | null;
}

export interface UpdateBackupArgs extends GuestArgs {
  readonly backupId: string;
  readonly fields: BackupFields;
}

/** The text columns, each with its width in Trove's table. */
export const textFields = { state: 32, checksum: 32, location: 1024, backup_type: 32 } as const;

/** Reads the arguments of `update_backup`. Throws Rejected with the argument's name. */
export function readUpdateBackup(args: JsonObject, sentRequired: boolean): UpdateBackupArgs {
  const instanceId = readId(args, 'instance_id');
  const backupId = readId(args, 'backup_id');
  const guard = readSent(args, sentRequired);
  const key = JSON.stringify([backupId, instanceId]);
  return { instanceId, backupId, key, guard, fields: readFields(args) };
}

/** The arguments in wire form. */
export function writeUpdateBackup({ instanceId, backupId, guard, fields }: UpdateBackupArgs): JsonObject {
  return { instance_id: instanceId, backup_id: backupId, sent: guard, ...fields };
}

/** Ignores fields that are no columns for a guest, as Trove does. */
function readFields(args: JsonObject): BackupFields {
  const fields: { -readonly [Key in keyof BackupFields]: BackupFields[Key] } = {};
  for (const name of ['state', 'checksum', 'location', 'backup_type'] as const) {
    const value = args[name];
    if (value === undefined) continue;
    // In the table `state` may not be null.
    if (value === null && name !== 'state') fields[name] = null;
    else fields[name] = readText(args, name, textFields[name]);
  }
  const { size } = args;
  if (size === null) fields.size = null;
  else if (typeof size === 'number' && Number.isFinite(size)) fields.size = size;
  else if (size !== undefined) {
    throw new Rejected(
      'bad_argument',
      `args.size is ${jsonTypeOf(size)}${typeof size === 'number' ? ' but not finite' : ', not a number'}`,
      'size',
    );
  }
  return fields;
}
