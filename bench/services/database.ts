import pg from 'pg';
import { ConfigError } from '../../src/core/errors.ts';
import { migrate } from '../../src/database/migrate.ts';
import { now } from '../clock.ts';
import { encryptedKey } from '../load/sealed-bodies.ts';
import { senderKeyRow } from '../load/signed-bodies.ts';
import { instanceId } from '../messages.ts';

/** A schema of the bench's own in a database, with a fleet in it. Nothing else in the database is touched. */

/** A name that Postgres needs no quotes for. */
const plainName = /^[a-z_][a-z0-9_]*$/;

export interface DatabasePlace {
  /** The URL that leads into the schema. */
  readonly url: string;
  readonly schema: string;
  readonly jobsSchema: string;
  /** Adds instances, each with a status and a backup of its own, until there are so many. */
  fill(instances: number): Promise<void>;
  /** Gives each instance a key by which its messages are signed. */
  addKeys(): Promise<void>;
  figures(): Promise<DatabaseFigures>;
  /** Sent and commit times of the newest heartbeats of some instances, in milliseconds since the epoch. Empty if Postgres keeps no such times. */
  commits(count: number): Promise<ReadonlyArray<readonly [sent: number, committed: number]>>;
  /** The connections of the replicas. */
  connections(): Promise<number>;
  version(): Promise<string>;
  remove(): Promise<void>;
}

export interface DatabaseFigures {
  /** Bytes of WAL that the server has written, for all its databases. */
  readonly wal: number;
  /** Updates of statuses, and those that touched no index. */
  readonly updates: number;
  readonly hot: number;
}

/** Makes the schema and the tables of the conductor in it. Rejects if the schema exists. */
export async function makeDatabasePlace(url: string, schema: string): Promise<DatabasePlace> {
  if (!plainName.test(schema)) throw new ConfigError(`${schema} is no name for a schema`);
  const jobsSchema = `${schema}_jobs`;
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  // Fails if it exists.
  await client.query(`CREATE SCHEMA ${schema}`);
  const inside = new URL(url);
  inside.searchParams.set('options', `-c search_path=${schema}`);
  const database: DatabasePlace = new SchemaPlace(client, inside.href, schema, jobsSchema);
  try {
    const quiet = { dryRun: false, rollback: false, removeDuplicates: false, log: () => {} };
    await migrate({ url: inside.href, jobsSchema, ...quiet });
    await client.query(`SET search_path = ${schema}`);
  } catch (error) {
    await database.remove();
    throw error;
  }
  return database;
}

class SchemaPlace implements DatabasePlace {
  private readonly client: pg.Client;
  readonly url: string;
  readonly schema: string;
  readonly jobsSchema: string;
  private instances = 0;
  /** Milliseconds by which the server's clock is ahead of ours. */
  private ahead = 0;
  private keepsTimes = false;

  constructor(client: pg.Client, url: string, schema: string, jobsSchema: string) {
    this.client = client;
    this.url = url;
    this.schema = schema;
    this.jobsSchema = jobsSchema;
  }

  async fill(instances: number): Promise<void> {
    const { client } = this;
    if (instances > this.instances) {
      // The ids of `instanceId`.
      const ids = `(SELECT md5('i' || g)::uuid::text AS id FROM generate_series(${this.instances + 1}, ${instances}) AS g) AS fleet`;
      const utc = "now() AT TIME ZONE 'utc'";
      await client.query(
        `INSERT INTO instances (id, name, created, deleted) SELECT id, id, ${utc}, false FROM ${ids}`,
      );
      await client.query(
        `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
         SELECT id, id, 23, 'new', ${utc} FROM ${ids}`,
      );
      await client.query(
        `INSERT INTO backups (id, name, state, instance_id, deleted, created) SELECT id, id, 'NEW', id, false, ${utc} FROM ${ids}`,
      );
      this.instances = instances;
      await client.query('UPDATE instances SET encrypted_key = $1', [encryptedKey()]);
      // As on a database that has been in use for a while: each row has been updated, and autovacuum has been there.
      await client.query('UPDATE service_statuses SET updated_at = updated_at');
      for (const table of ['instances', 'service_statuses', 'backups'])
        await client.query(`VACUUM ANALYZE ${table}`);
    }
    const { rows } = await client.query<{ on: boolean }>(
      "SELECT current_setting('track_commit_timestamp')::boolean AS on",
    );
    this.keepsTimes = rows[0]?.on === true;
    await this.readClock();
  }

  async addKeys(): Promise<void> {
    const senders = Array.from({ length: this.instances }, (_, index) => instanceId(index + 1));
    const rows = senders.map(senderKeyRow);
    await this.client.query(
      'INSERT INTO sender_keys (sender, key_id, encrypted_key) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])',
      [senders, rows.map(({ keyId }) => keyId), rows.map(({ encryptedKey }) => encryptedKey)],
    );
  }

  private async readClock(): Promise<void> {
    const before = now();
    const { rows } = await this.client.query<{ at: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::double precision * 1000 AS at',
    );
    this.ahead = (rows[0]?.at ?? before) - (before + now()) / 2;
  }

  async figures(): Promise<DatabaseFigures> {
    const { rows } = await this.client.query<DatabaseFigures>(
      `SELECT (pg_current_wal_lsn() - '0/0')::double precision AS wal, n_tup_upd::double precision AS updates, n_tup_hot_upd::double precision AS hot
       FROM pg_stat_user_tables WHERE relname = 'service_statuses' AND schemaname = $1`,
      [this.schema],
    );
    return rows[0] ?? { wal: Number.NaN, updates: Number.NaN, hot: Number.NaN };
  }

  async commits(count: number): Promise<ReadonlyArray<readonly [sent: number, committed: number]>> {
    if (!this.keepsTimes) return [];
    const ids = Array.from({ length: count }, () =>
      instanceId(1 + Math.floor(Math.random() * this.instances)),
    );
    const { rows } = await this.client.query<{ sent: number; committed: number }>({
      name: 'commits',
      text: `SELECT sent * 1000 AS sent, extract(epoch FROM pg_xact_commit_timestamp(xmin))::double precision * 1000 AS committed
        FROM service_statuses WHERE sent > 0 AND instance_id = ANY ($1::text[])`,
      values: [ids],
    });
    return rows.map(({ sent, committed }) => [sent, committed - this.ahead] as const);
  }

  async connections(): Promise<number> {
    const { rows } = await this.client.query<{ count: number }>(
      "SELECT count(*)::integer AS count FROM pg_stat_activity WHERE application_name LIKE 'conductor bench-%'",
    );
    return rows[0]?.count ?? 0;
  }

  async version(): Promise<string> {
    const { rows } = await this.client.query<{ version: string }>(
      "SELECT current_setting('server_version') AS version",
    );
    return rows[0]?.version ?? 'unknown';
  }

  async remove(): Promise<void> {
    // Both were made by this run, or it would have failed.
    await this.client.query(`DROP SCHEMA IF EXISTS ${this.jobsSchema} CASCADE`);
    await this.client.query(`DROP SCHEMA ${this.schema} CASCADE`);
    await this.client.end();
  }
}
