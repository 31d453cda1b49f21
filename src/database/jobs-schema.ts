import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, QueryResult } from 'pg';
import { getUninstallPlans, PgBoss } from 'pg-boss';
import { ConfigError, codeOf, messageOf } from '../core/errors.ts';
import type { Query } from './query.ts';

/** The schema of pg-boss, which keeps the jobs of the replicas. `src/jobs/` uses it. */

/** Its name where the configuration has none. */
export const defaultJobsSchema = 'conductor_jobs';

/** Milliseconds between two looks for index builds of pg-boss that run in the background. */
const buildPoll = 200;
/** Seconds between two such builds' beginnings, of all sessions together. pg-boss takes no less; by default it is a minute. */
const buildInterval = 10;

/** The work that `conductor migrate` has to do on it. */
export type JobsSchemaState = 'ready' | 'missing' | 'outdated';

/** Looks at the schema, and changes nothing. Rejects with ConfigError if somebody has removed a part of it. */
export async function jobsSchemaState(client: Client, schema: string): Promise<JobsSchemaState> {
  const boss = bossOn(client, schema, false);
  if (!(await boss.isInstalled())) return 'missing';
  const lacking = await removedTables(client, schema);
  if (lacking.length > 0)
    throw new ConfigError(
      `The schema ${schema} lacks ${lacking.join(', ')}. Nothing in it is needed: DROP SCHEMA ${schema} CASCADE, then run conductor migrate.`,
      { code: 'database-schema' },
    );
  try {
    await boss.start();
    return 'ready';
  } catch (error) {
    if (messageOf(error) === 'pg-boss database requires migrations') return 'outdated';
    throw error;
  } finally {
    await boss.stop({ graceful: false, close: false });
  }
}

/** A line for the operator about the next work of `migrateJobsSchema`. */
export function jobsSchemaPlan(schema: string, state: Exclude<JobsSchemaState, 'ready'>): string {
  return state === 'missing'
    ? `Creates the schema ${schema}, in which pg-boss keeps the jobs of the replicas.`
    : `Upgrades the schema ${schema} to this version of pg-boss.`;
}

/** The rights that the user lacks to create or upgrade the schema, and the statements that grant them. */
export async function jobsPrivilegesLacking(query: Query, schema: string): Promise<string[]> {
  const [row] = await query<{ user: string; database: string; exists: boolean; may: boolean }>(
    `SELECT quote_ident(current_user) AS user, quote_ident(current_database()) AS database, found.oid IS NOT NULL AS exists,
       CASE WHEN found.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
         ELSE has_schema_privilege(found.oid, 'CREATE') AND has_schema_privilege(found.oid, 'USAGE') END AS may
     FROM (SELECT) AS one LEFT JOIN pg_namespace AS found ON found.nspname = $1`,
    [schema],
  );
  if (row === undefined || row.may) return [];
  const { user, database } = row;
  return row.exists
    ? [`it may not create in schema ${schema} (GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${user})`]
    : [
        `it may not create the schema ${schema} (GRANT CREATE ON DATABASE ${database} TO ${user}, ` +
          `or CREATE SCHEMA ${schema} AUTHORIZATION ${user})`,
      ];
}

/**
 * Creates or upgrades the schema. A second call changes nothing. Only a session that migrates may call it.
 *
 * @param log takes a line for the operator if there is something to wait for.
 */
export async function migrateJobsSchema(
  client: Client,
  schema: string,
  log: (line: string) => void,
): Promise<void> {
  const { rows } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema]);
  // Postgres asks for the right to create a schema even if the schema is there.
  const boss = bossOn(client, schema, true, rows.length === 0);
  try {
    await boss.start();
    await indexesBuilt(boss, log);
  } finally {
    await boss.stop({ graceful: false, close: false });
  }
}

/** Removes pg-boss's own objects, and the schema if nothing else is in it. No message is in it. */
export async function dropJobsSchema(client: Client, schema: string): Promise<void> {
  if (!(await bossOn(client, schema, false).isInstalled())) return;
  await client.query(getUninstallPlans(schema));
  try {
    await client.query(`DROP SCHEMA ${schema}`);
  } catch (error) {
    // dependent_objects_still_exist; insufficient_privilege: somebody else has created the schema.
    if (!['2BP01', '42501'].includes(codeOf(error) ?? '')) throw error;
  }
}

/** pg-boss on this session, without any of its loops. */
function bossOn(client: Client, schema: string, migrate: boolean, createSchema = false): PgBoss {
  const boss = new PgBoss({
    db: {
      executeSql: async (text, values) => {
        const results: QueryResult | QueryResult[] = await client.query(text, values);
        return { rows: [results].flat().flatMap(({ rows }) => rows) };
      },
    },
    schema,
    migrate,
    createSchema,
    schedule: false,
    supervise: false,
    registerInstance: false,
    bamIntervalSeconds: buildInterval,
    openTelemetry: { enabled: false },
  });
  // Without a listener an error would end the process. The statement that fails reports it.
  boss.on('error', () => {});
  return boss;
}

/** An upgrade may build indexes concurrently, after its transaction. */
async function indexesBuilt(boss: PgBoss, log: (line: string) => void): Promise<void> {
  for (let looks = 0; ; looks += 1) {
    const statuses = await boss.getBamStatus();
    const failed = statuses.find(({ status }) => status === 'failed');
    if (failed !== undefined)
      throw new Error(`pg-boss could not build ${failed.count} of its indexes: run conductor migrate again`);
    if (statuses.every(({ status }) => status === 'completed')) return;
    // Builds that have begun have mostly ended after a second.
    if (looks === 5)
      log(`Waits for pg-boss to build its indexes, which it begins once in ${buildInterval} s at most.`);
    await sleep(buildPoll);
  }
}

async function removedTables(client: Client, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT name FROM unnest(array['job', 'job_common', 'queue']) AS name
     WHERE to_regclass(format('%I.%I', $1::text, name)) IS NULL`,
    [schema],
  );
  return rows.map(({ name }) => `the table ${name}`);
}
