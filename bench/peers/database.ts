import { readFileSync } from 'node:fs';
import pg from 'pg';
import { migrate } from '../../src/database/migrate.ts';
import { instanceId } from '../messages.ts';

/** A database with Trove's tables and the conductor's columns, for one peer. */

const troveSchema = new URL('../../test/fixtures/trove-schema.sql', import.meta.url);

/** Makes a database. `admin` is the URL of another one on the server. */
export async function makeDatabase(
  admin: string,
  url: string,
  tables: string,
  instances: number,
): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  await query(admin, `CREATE DATABASE ${name}`);
  await query(url, `${readFileSync(troveSchema, 'utf8')};${tables}`);
  await migrate({ url, dryRun: false, rollback: false, removeDuplicates: false, log: () => {} });
  const ids = `(SELECT md5('i' || g)::uuid::text AS id FROM generate_series(1, ${instances}) AS g) AS fleet`;
  const utc = "now() AT TIME ZONE 'utc'";
  await query(
    url,
    `INSERT INTO instances (id, name, created, deleted) SELECT id, id, ${utc}, false FROM ${ids};
     INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at) SELECT id, id, 23, 'new', ${utc} FROM ${ids};
     ANALYZE`,
  );
}

/** Where a peer writes. */
export interface Applied {
  readonly url: string;
  readonly table: string;
}

/**
 * When the heartbeats of so many instances from `first` on were committed, in milliseconds since the epoch; those that were. In the order
 * of time. A heartbeat that a peer appended twice counts once.
 */
export async function commitsOf(
  { url, table }: Applied,
  first: number,
  count: number,
): Promise<ReadonlyArray<{ readonly committed: number; readonly instance: string }>> {
  return query(
    url,
    `SELECT min(extract(epoch FROM pg_xact_commit_timestamp(xmin))::double precision * 1000) AS committed, instance_id AS instance
     FROM ${table} WHERE status_description = 'healthy' AND instance_id = ANY ($1::text[]) GROUP BY instance_id ORDER BY 1`,
    [Array.from({ length: count }, (_, index) => instanceId(first + index))],
  );
}

async function query<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values?: unknown[],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
