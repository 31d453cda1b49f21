import { readFileSync } from 'node:fs';
import pg from 'pg';
import { migrate } from '../../src/database/migrate.ts';
import { instanceId } from '../messages.ts';

/** A database with Trove's tables and the conductor's columns, for one peer. */

const troveSchema = new URL('../../test/fixtures/trove-schema.sql', import.meta.url);

/** What a peer's database begins with. */
export interface Contents {
  /** Tables of the peer, as statements. */
  readonly tables: string;
  readonly instances: number;
  /** Whether the heartbeats change the status of their instances, as when a fleet starts. Otherwise all are `healthy` before and after. */
  readonly changes: boolean;
}

/**
 * Makes a database. `admin` is the URL of another one on the server.
 *
 * @returns when it was ready, in milliseconds since the epoch by the clock of Postgres.
 */
export async function makeDatabase(admin: string, url: string, contents: Contents): Promise<number> {
  const { tables, instances, changes } = contents;
  const name = new URL(url).pathname.slice(1);
  await query(admin, `CREATE DATABASE ${name}`);
  await query(url, `${readFileSync(troveSchema, 'utf8')};${tables}`);
  await migrate({ url, dryRun: false, rollback: false, removeDuplicates: false, log: () => {} });
  const ids = `(SELECT md5('i' || g)::uuid::text AS id FROM generate_series(1, ${instances}) AS g) AS fleet`;
  const utc = "now() AT TIME ZONE 'utc'";
  const status = changes ? "23, 'new'" : "33, 'healthy'";
  await query(
    url,
    `INSERT INTO instances (id, name, created, deleted) SELECT id, id, ${utc}, false FROM ${ids};
     INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at) SELECT id, id, ${status}, ${utc} FROM ${ids};
     ANALYZE`,
  );
  const [row] = await query<{ ready: number }>(
    url,
    'SELECT extract(epoch FROM clock_timestamp())::double precision * 1000 AS ready',
  );
  if (row === undefined) throw new Error('Postgres has no time');
  return row.ready;
}

/** Where a peer writes. */
export interface Applied {
  readonly url: string;
  readonly table: string;
  /** When the database was ready. Rows from before are no heartbeats. */
  readonly since: number;
}

/**
 * When the heartbeats of so many instances from `first` on were committed, in milliseconds since the epoch; those that were. In the order
 * of time. A heartbeat that a peer appended twice counts once.
 */
export async function commitsOf(
  { url, table, since }: Applied,
  first: number,
  count: number,
): Promise<ReadonlyArray<{ readonly committed: number; readonly instance: string }>> {
  return query(
    url,
    `SELECT * FROM (
       SELECT min(extract(epoch FROM pg_xact_commit_timestamp(xmin))::double precision * 1000) AS committed, instance_id AS instance
       FROM ${table} WHERE status_description = 'healthy' AND instance_id = ANY ($1::text[]) GROUP BY instance_id) AS commits
     WHERE committed > $2 ORDER BY 1`,
    [Array.from({ length: count }, (_, index) => instanceId(first + index)), since],
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
