import type { Query } from './query.ts';
import { hasUniqueStatusIndex } from './status-index.ts';

/** Trove's tables, with the columns that the conductor's statements name. */
const troveColumns: Readonly<Record<string, readonly string[]>> = {
  instances: ['id', 'created', 'updated', 'name', 'deleted', 'encrypted_key'],
  service_statuses: ['id', 'instance_id', 'status_id', 'status_description', 'updated_at'],
  backups: [
    'id',
    'instance_id',
    'location',
    'backup_type',
    'size',
    'state',
    'checksum',
    'created',
    'updated',
    'deleted',
  ],
  root_enabled_history: ['id', 'user', 'created'],
  instance_faults: ['id', 'instance_id', 'message', 'details', 'created', 'updated', 'deleted', 'deleted_at'],
};

const ownColumns: Readonly<Record<string, readonly string[]>> = {
  dead_letters: [
    'id',
    'died_at',
    'transport',
    'reason',
    'detail',
    'method',
    'instance_id',
    'message_id',
    'sender',
    'body',
    'body_size',
    'body_digest',
  ],
  deferred: [
    'method',
    'key',
    'instance_id',
    'transport',
    'args',
    'sent',
    'reason',
    'attempts',
    'first_deferred_at',
    'next_attempt_at',
  ],
  call_results: ['id', 'principal', 'message_id', 'call_digest', 'result', 'called_at'],
  notification_outbox: [
    'id',
    'transport',
    'topic',
    'message_id',
    'instance_id',
    'body',
    'created_at',
    'attempts',
    'next_attempt_at',
    'error',
  ],
  status_transitions: ['id', 'instance_id', 'old_status', 'new_status', 'sent', 'changed_at', 'cause'],
  replicas: [
    'transport',
    'client_id',
    'replica',
    'started_at',
    'seen_at',
    'oldest_unsettled',
    'subscription',
    'adopter',
    'claimed_until',
  ],
  sender_keys: [
    'sender',
    'key_id',
    'encrypted_key',
    'created_at',
    'created_by',
    'not_after',
    'revoked_at',
    'changed_at',
  ],
  page_snapshots: ['id', 'begun_at', 'claimed_until', 'taken_at', 'content'],
};

const columns: Readonly<Record<string, readonly string[]>> = { ...troveColumns, ...ownColumns };

/** Columns that a later migration adds to a table of ours. A table that a rollback has kept may lack them until the next migration. */
const addedColumns: Readonly<Record<string, readonly string[]>> = {
  deferred: ['failing_since', 'trace_context'],
  notification_outbox: ['trace_context'],
  dead_letters: [
    'sender_proof',
    'compression',
    'is_call',
    'was_deferred',
    'redacted',
    'counted',
    'edited_body',
    'edited_by',
    'edited_at',
    'redrive_at',
    'redrive_by',
    'redriven_at',
    'redrive_outcome',
    'redrives',
    'topic',
    'trace_context',
  ],
};

export const troveTables = Object.keys(troveColumns);
export const ownTables = Object.keys(ownColumns);
/** The tables with a guard: a column `sent`, and the trigger that keeps it. */
export const guardedTables = ['service_statuses', 'backups'];

/** `knows`: a word that the trigger's function has since a later migration. Before, it lacks a part. */
const triggers: ReadonlyArray<{ readonly name: string; readonly table: string; readonly knows?: string }> = [
  { name: 'conductor_keep_sent', table: 'service_statuses' },
  { name: 'conductor_keep_sent', table: 'backups' },
  { name: 'conductor_record_status', table: 'service_statuses', knows: 'conductor.publish' },
  { name: 'conductor_record_new_status', table: 'service_statuses', knows: 'conductor.publish' },
];

/**
 * The objects that the conductor's statements need and the database lacks, in words for the operator ("table deferred", "column
 * backups.sent"). Empty if none is missing. `conductor migrate` adds them.
 */
export async function missingFromSchema(query: Query): Promise<string[]> {
  const missing = await missingColumns(query, [...troveTables, ...ownTables], laterColumns);
  const existing = await existingTables(query, guardedTables);
  for (const { name, table, knows } of triggers) {
    if (!existing.includes(table)) continue;
    const source = await triggerSource(query, name, table);
    if (source === undefined) missing.push(`trigger ${name} on ${table}`);
    else if (knows !== undefined && !source.includes(knows))
      missing.push(`${knows} in the function of trigger ${name} on ${table}`);
  }
  if (existing.includes('service_statuses') && !(await hasUniqueStatusIndex(query))) {
    missing.push('unique index on service_statuses (instance_id)');
  }
  return missing;
}

/** The given tables that the search path finds. */
export async function existingTables(query: Query, tables: readonly string[]): Promise<string[]> {
  const rows = await query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL',
    [tables],
  );
  return rows.map((row) => row.name);
}

/** The missing tables, and the missing columns of the others. */
export async function missingColumns(
  query: Query,
  tables: readonly string[],
  extra: (table: string) => readonly string[] = () => [],
): Promise<string[]> {
  const rows = await query<{ name: string; exists: boolean; present: string[] }>(
    `SELECT name, to_regclass(name) IS NOT NULL AS exists,
            array(SELECT attname::text FROM pg_attribute
                  WHERE attrelid = to_regclass(name) AND attnum > 0 AND NOT attisdropped) AS present
     FROM unnest($1::text[]) AS name`,
    [tables],
  );
  return rows.flatMap(({ name, exists, present }) => {
    if (!exists) return [`table ${name}`];
    const needed = [...(columns[name] ?? []), ...extra(name)];
    return needed.filter((column) => !present.includes(column)).map((column) => `column ${name}.${column}`);
  });
}

/** The columns of a table that its first migration does not make. */
export function laterColumns(table: string): readonly string[] {
  return [...(guardedTables.includes(table) ? ['sent'] : []), ...(addedColumns[table] ?? [])];
}

/** The source of a trigger's function; undefined if there is no such trigger, or it is disabled. */
async function triggerSource(query: Query, name: string, table: string): Promise<string | undefined> {
  // 'D': the trigger is disabled.
  const rows = await query<{ source: string }>(
    `SELECT prosrc AS source FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE tgrelid = to_regclass($1) AND tgname = $2 AND tgenabled <> 'D'`,
    [table, name],
  );
  return rows[0]?.source;
}
