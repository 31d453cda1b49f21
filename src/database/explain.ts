import type { Query } from './query.ts';

/** The row of an instance. */
export interface InstanceRow {
  readonly name: string | null;
  readonly created: Date | null;
  readonly deleted: boolean;
}

/** The stored status of an instance. */
export interface StatusRow {
  readonly status: string;
  /** When a heartbeat was last applied, or another program wrote the row. Null: never. */
  readonly updatedAt: Date | null;
  /** Seconds since then, by the database's clock. */
  readonly silentFor: number | null;
  /** The guard: when the newest applied heartbeat was sent, in seconds since the epoch. Null: there is none. */
  readonly sent: number | null;
  /** Seconds by which the guard is ahead of the database's clock; below 0 if it is behind. */
  readonly ahead: number | null;
}

/** A change of the status. */
export interface Transition {
  readonly changedAt: Date;
  readonly from: string | null;
  readonly to: string;
  readonly sent: number | null;
  /** heartbeat, sweep, or other: another program. */
  readonly cause: string;
}

const instanceText = `
SELECT name, created AT TIME ZONE 'utc' AS created, coalesce(deleted, false) AS deleted FROM instances WHERE id = $1`;

const statusText = `
SELECT status_description AS status, updated_at AT TIME ZONE 'utc' AS "updatedAt",
  extract(epoch FROM now() - updated_at AT TIME ZONE 'utc')::double precision AS "silentFor",
  nullif(sent, '-infinity') AS sent,
  nullif(sent, '-infinity') - extract(epoch FROM now())::double precision AS ahead
FROM service_statuses WHERE instance_id = $1`;

const transitionsText = `
SELECT changed_at AS "changedAt", old_status AS from, new_status AS to, nullif(sent, '-infinity') AS sent, cause
FROM status_transitions WHERE instance_id = $1 ORDER BY id DESC LIMIT $2`;

/** The database's rows about an instance. */
export async function readInstance(
  query: Query,
  id: string,
): Promise<{ readonly instance: InstanceRow | null; readonly status: StatusRow | null }> {
  const [instance = null] = await query<InstanceRow>(instanceText, [id]);
  const [status = null] = await query<StatusRow>(statusText, [id]);
  return { instance, status };
}

/** The last changes of an instance's status, the newest first. */
export function readTransitions(query: Query, id: string, limit: number): Promise<Transition[]> {
  return query<Transition>(transitionsText, [id, limit]);
}
