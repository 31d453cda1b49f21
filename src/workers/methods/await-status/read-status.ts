import type { Db } from '../../postgres/transaction.ts';

interface StatusSince extends Record<string, unknown> {
  /** NULL: the instance has no status. */
  readonly status: string | null;
  /** The newest transition of the instance. A bigint, so a text. */
  readonly latest: string;
  /** The statuses that the instance has had after the transition `since`, the oldest first. */
  readonly reached: ReadonlyArray<string>;
}

/** Transitions of one instance that are looked at. An instance that changes faster has its newest ones looked at. */
const most = 1000;

const text = `
SELECT (SELECT status_description FROM service_statuses WHERE instance_id = $1) AS status,
  coalesce((SELECT max(id) FROM status_transitions WHERE instance_id = $1), 0)::text AS latest,
  CASE WHEN $2::bigint IS NULL THEN '{}' ELSE ARRAY(
    SELECT new_status::text FROM (
      SELECT id, new_status FROM status_transitions WHERE instance_id = $1 AND id > $2 ORDER BY id DESC LIMIT ${most}
    ) AS newest ORDER BY id
  ) END AS reached`;

/**
 * The status of an instance, and those that it has had since a transition.
 *
 * @param since the id of a transition; undefined: the past does not count.
 */
export async function readStatus(
  db: Db,
  instanceId: string,
  since: string | undefined,
): Promise<StatusSince> {
  const [row] = await db.query<StatusSince>('read-status', text, [instanceId, since ?? null]);
  return row ?? { status: null, latest: '0', reached: [] };
}
