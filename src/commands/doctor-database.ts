import { availableParallelism } from 'node:os';
import type pg from 'pg';
import { DatabaseHosts } from '../core/config/database-hosts.ts';
import type { Config } from '../core/config/load.ts';
import { Durability, lineOf } from '../core/gateway/durability.ts';
import { meaningOf } from '../core/transport/durability.ts';
import { durabilityOf, missingStandby, readServerFacts } from '../database/durability.ts';
import { missingGrants } from '../database/grants.ts';
import { jobsSchemaState } from '../database/jobs-schema.ts';
import { type Query, queryOn } from '../database/query.ts';
import { missingFromSchema } from '../database/schema.ts';
import { openSession } from '../database/session.ts';
import { missingFromModels } from '../workers/methods/models/check.ts';
import { certificateOf, judgeCertificate } from './doctor-certificate.ts';
import { type Check, type Finding, ok, type Topic, warning, wrong } from './doctor-check.ts';
import { checkPooler } from './doctor-pooler.ts';

interface Opened {
  readonly client: pg.Client;
  readonly query: Query;
  readonly config: Config;
}

/** The oldest version that pg-boss supports, as `server_version_num` has it. */
const oldestVersion = 130_000;
/** Seconds that the two clocks may differ before it is worth a warning, and before times of guests are judged wrongly. */
const skew = { early: 2, late: 60 };

/** The database. */
export function databaseTopic(config: Config): Topic<Opened> {
  return {
    subject: 'database',
    opening: 'sign in',
    async open() {
      const client = await openSession(config.database, 'look', 'conductor doctor');
      const query = queryOn(client);
      const [row] = await query<{ user: string; database: string }>(
        'SELECT current_user AS user, current_database() AS database',
      );
      return {
        context: { client, query, config },
        finding: ok(`signed in to ${row?.database} as ${row?.user}`),
      };
    },
    checks,
    close: async ({ client }) => {
      await client.end().catch(() => {});
    },
  };
}

const checks: ReadonlyArray<Check<Opened>> = [
  {
    name: 'version',
    async run({ query }) {
      const [row] = await query<{ number: number; text: string }>(
        `SELECT current_setting('server_version_num')::integer AS number, current_setting('server_version') AS text`,
      );
      return row === undefined || row.number < oldestVersion
        ? [wrong('database-schema', `Postgres ${row?.text} is too old: upgrade it to 13 or later`)]
        : [ok(`Postgres ${row.text}`)];
    },
  },
  {
    name: 'primary',
    async run({ query }) {
      const [row] = await query<{ standby: boolean; readOnly: boolean }>(
        `SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS "readOnly"`,
      );
      if (row?.standby)
        return [wrong('database-read-only', 'this is a standby: point database.url at the primary server')];
      return row?.readOnly
        ? [
            wrong(
              'database-read-only',
              'Postgres takes no changes here: set default_transaction_read_only = off, for the role and the database too',
            ),
          ]
        : [ok('it takes changes')];
    },
  },
  {
    name: 'tables',
    async run({ query, config }) {
      const missing = await missingFromSchema(query);
      if (missing.length > 0)
        return [
          wrong(
            'database-schema',
            `the database lacks ${missing.join(', ')}: run conductor migrate with this configuration`,
          ),
        ];
      const db = {
        query: <Row extends pg.QueryResultRow>(_: string, text: string, values: ReadonlyArray<unknown>) =>
          query<Row>(text, [...values]),
      };
      const problem = await missingFromModels(db, config.access);
      return problem === undefined ? [ok('all tables are there')] : [wrong('configuration', problem)];
    },
  },
  { name: 'privileges', run: ({ query, config }) => checkPrivileges(query, config) },
  {
    name: 'jobs',
    async run({ client, query, config }) {
      const { schema } = config.jobs;
      const [may] = await query<{ usage: boolean }>(
        'SELECT coalesce((SELECT has_schema_privilege(oid, $2) FROM pg_namespace WHERE nspname = $1), true) AS usage',
        [schema, 'USAGE'],
      );
      if (may?.usage === false)
        return [
          wrong(
            'database-privileges',
            `the user may not use the schema ${schema}: GRANT USAGE ON SCHEMA ${schema} to it`,
          ),
        ];
      const state = await jobsSchemaState(client, schema);
      return state === 'ready'
        ? [ok(`the schema ${schema} is ready`)]
        : [wrong('database-schema', `the schema ${schema} is ${state}: run conductor migrate`)];
    },
  },
  {
    name: 'clock',
    async run({ query }) {
      const before = Date.now();
      const [row] = await query<{ now: number }>(
        'SELECT extract(epoch FROM clock_timestamp())::double precision AS now',
      );
      return [judgeClock((row?.now ?? 0) - (before + Date.now()) / 2000)];
    },
  },
  {
    name: 'durability',
    async run({ query, config: { database, require } }) {
      const facts = await readServerFacts(query);
      const shortfalls = durabilityOf(facts, database.synchronousCommit);
      const judge = new Durability({
        required: require,
        databaseWord: database.durability,
        words: new Map(),
      });
      const refusal = judge.judgeDatabase(shortfalls);
      const standby = missingStandby(facts, database.synchronousCommit);
      const findings = [
        ...(refusal === undefined ? [] : [wrong('durability', refusal)]),
        ...(standby === undefined ? [] : [wrong('durability', standby)]),
        ...shortfalls
          .filter(({ survives }) => survives !== 'power')
          .map((one) => warning('durability', lineOf(one))),
      ];
      return findings.length > 0 ? findings : [ok(`a commit survives ${meaningOf(judge.report.survives)}`)];
    },
  },
  {
    name: 'connections',
    async run({ query, config }) {
      const [row] = await query<{ most: number }>(
        `SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS most`,
      );
      const { threads, concurrency } = config.workers;
      const needed =
        (threads || Math.max(1, availableParallelism() - 1)) * (concurrency + config.calls.concurrency) + 3;
      return row !== undefined && needed > row.most
        ? [
            wrong(
              'database-overloaded',
              `a replica opens up to ${needed} connections, and Postgres allows ${row.most}: raise max_connections, or lower workers.threads, workers.concurrency or calls.concurrency`,
            ),
          ]
        : [ok(`a replica opens up to ${needed} connections, of ${row?.most}`)];
    },
  },
  { name: 'pooler', run: ({ client, config }) => checkPooler(client, config) },
  { name: 'certificate', run: ({ config }) => checkCertificates(config) },
];

/** @param seconds positive if the clock of Postgres is ahead of this machine's. */
export function judgeClock(seconds: number): Finding {
  const difference = `the clock of Postgres is ${Math.abs(seconds).toFixed(1)} s ${seconds > 0 ? 'ahead of' : 'behind'} this machine's`;
  const off = Math.abs(seconds);
  if (off >= skew.late) return wrong('clock-skew', `${difference}: let both follow NTP`);
  if (off >= skew.early) return warning('clock-skew', `${difference}: let both follow NTP`);
  return ok('the clocks of Postgres and of this machine agree');
}

async function checkPrivileges(query: Query, { jobs, access }: Config): Promise<Finding[]> {
  const grants = await missingGrants(query, { jobsSchema: jobs.schema, access });
  if (grants.length > 0)
    return [
      wrong(
        'database-privileges',
        `the user lacks privileges: ${grants.join('; ')}. Or run conductor migrate --grant-to as the owner`,
      ),
    ];
  const [row] = await query<{ most: boolean }>(
    `SELECT rolsuper OR has_schema_privilege(current_schema(), 'CREATE') AS most FROM pg_roles WHERE rolname = current_user`,
  );
  return [
    ok(
      row?.most === true
        ? 'the user has all privileges that a replica needs, and more: a smaller role is in docs/security.md'
        : 'the user has all privileges that a replica needs',
    ),
  ];
}

/** The certificates of all servers that the URL names. */
async function checkCertificates({ database }: Config): Promise<Finding[]> {
  const hosts = new DatabaseHosts(database);
  const findings: Finding[] = [];
  for (const target of hosts.targets) {
    if (target.tls !== true) continue;
    const { host = 'localhost', port = 5432, ssl, sslnegotiation } = hosts.optionsOf(target);
    const start = sslnegotiation === 'direct' ? 'postgres-direct' : 'postgres';
    const { ca, cert, key, passphrase } = ssl || {};
    const certificate = await certificateOf(host, port, start, {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(passphrase !== undefined && { passphrase }),
    });
    if (certificate !== undefined)
      findings.push(judgeCertificate(`the certificate of ${host}:${port}`, certificate, 'database-tls'));
  }
  return findings;
}
