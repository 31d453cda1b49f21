import type { Db } from '../postgres/transaction.ts';

/** Postgres's own estimate: counting a large table for each guest that asks would take too long. Before its first look it has none. */
const text = `
SELECT CASE WHEN reltuples >= 0 THEN reltuples::double precision
  ELSE (SELECT count(*) FROM (SELECT FROM service_statuses LIMIT 100000) AS few)::double precision
END AS fleet
FROM pg_class WHERE oid = 'service_statuses'::regclass`;

/** About how many instances have a status. */
export async function estimateFleet(db: Db): Promise<number> {
  const [row] = await db.query<{ fleet: number }>('estimate-fleet', text, []);
  return row?.fleet ?? 0;
}
