import test from 'ava';
import { judgeCertificate } from '../../src/commands/doctor-certificate.ts';
import type { Found } from '../../src/commands/doctor-check.ts';
import { judgeClock } from '../../src/commands/doctor-database.ts';
import { examineAll } from '../../src/commands/doctor-run.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { configurationOf } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startPgbouncer } from '../support/pgbouncer.ts';
import { needs, service } from '../support/services.ts';

/** Broken databases, and the cause that `conductor doctor` names. */

type Settings = Parameters<typeof configurationOf>[0]['settings'];

async function examine(url: string, settings: Settings = {}): Promise<Found[]> {
  const transports = { away: { kind: 'amqp091', url: 'amqp://127.0.0.1:1' } };
  const text = configurationOf({ database: url, transports, settings });
  const found = await examineAll(parseConfig(text, 'test', {}, transportKinds));
  return found.filter(({ subject }) => subject === 'database');
}

const problems = (found: ReadonlyArray<Found>) => found.filter(({ level }) => level !== 'ok');

interface Case {
  readonly what: string;
  readonly check: string;
  readonly level: 'wrong' | 'warning';
  readonly code: string;
  readonly text: RegExp;
  readonly settings?: Settings;
  /** Breaks a migrated database. Returns the URL to use, if it is another one. */
  readonly breaks?: (database: TestDatabase) => Promise<string | undefined>;
}

/** The URL of the database itself stays in use. */
async function done(work: Promise<unknown>): Promise<undefined> {
  await work;
}

const role = 'doctor_without_rights';

const cases: readonly Case[] = [
  {
    what: 'a server that is away',
    check: 'sign in',
    level: 'wrong',
    code: 'database-unreachable',
    text: /ECONNREFUSED/,
    breaks: async () => 'postgres://conductor@127.0.0.1:1/conductor',
  },
  {
    what: 'a user that does not exist',
    check: 'sign in',
    level: 'wrong',
    code: 'database-sign-in',
    text: /nobody.*Correct database\.url/,
    breaks: async ({ url }) => url.replace(/\/\/[^@]*@/, '//nobody@'),
  },
  {
    what: 'a database that does not exist',
    check: 'sign in',
    level: 'wrong',
    code: 'database-sign-in',
    text: /database "missing" does not exist/,
    breaks: async ({ url }) => url.replace(/\/[^/]*$/, '/missing'),
  },
  {
    what: 'TLS that the server does not speak',
    check: 'sign in',
    level: 'wrong',
    code: 'database-tls',
    text: /sslmode=prefer/,
    breaks: async ({ url }) => `${url}?sslmode=require`,
  },
  {
    what: 'a database that takes no changes',
    check: 'primary',
    level: 'wrong',
    code: 'database-read-only',
    text: /default_transaction_read_only = off/,
    breaks: async ({ query, url }) => {
      await query(`ALTER DATABASE ${url.split('/').at(-1)} SET default_transaction_read_only = on`);
      return undefined;
    },
  },
  {
    what: 'a table that somebody has removed',
    check: 'tables',
    level: 'wrong',
    code: 'database-schema',
    text: /table notification_outbox.*conductor migrate/,
    breaks: async ({ query }) => done(query('DROP TABLE notification_outbox')),
  },
  {
    what: 'a column that somebody has removed',
    check: 'tables',
    level: 'wrong',
    code: 'database-schema',
    text: /column service_statuses\.sent.*conductor migrate/,
    breaks: async ({ query }) => done(query('ALTER TABLE service_statuses DROP sent CASCADE')),
  },
  {
    what: 'jobs whose schema is missing',
    check: 'jobs',
    level: 'wrong',
    code: 'database-schema',
    text: /conductor_jobs is missing: run conductor migrate/,
    breaks: async ({ query }) => done(query('DROP SCHEMA conductor_jobs CASCADE')),
  },
  {
    what: 'a user that may only read',
    check: 'privileges',
    level: 'wrong',
    code: 'database-privileges',
    text: /GRANT INSERT, UPDATE, DELETE ON dead_letters TO doctor_without_rights/,
    breaks: async ({ query, url }) => {
      await query(
        `DO $$ BEGIN CREATE ROLE ${role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
      );
      return `${url}?options=-c%20role%3D${role}`;
    },
  },
  {
    what: 'a table that a crash empties',
    check: 'durability',
    level: 'warning',
    code: 'durability',
    text: /dead_letters is unlogged.*SET LOGGED/,
    breaks: async ({ query }) => done(query('ALTER TABLE dead_letters SET UNLOGGED')),
  },
  {
    what: 'commits that survive less than is required',
    check: 'durability',
    level: 'wrong',
    code: 'durability',
    text: /require is power.*synchronousCommit/,
    settings: { require: 'power', database: { synchronousCommit: 'off' } },
  },
  {
    what: 'more connections than Postgres allows',
    check: 'connections',
    level: 'wrong',
    code: 'database-overloaded',
    text: /raise max_connections/,
    settings: { workers: { threads: 30, concurrency: 40 } },
  },
  {
    what: 'a model whose table is missing',
    check: 'tables',
    level: 'wrong',
    code: 'configuration',
    text: /models\.flavor\.table: the database has no table flavors/,
    settings: { models: { flavor: { table: 'flavors', read: '*' } } },
  },
];

for (const { what, check, level, code, text, settings, breaks } of cases)
  needs(test, 'postgres')(`doctor names ${what}`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const url = (await breaks?.(database)) ?? database.url;
    const found = problems(await examine(url, settings));
    const named = found.find((one) => one.check === check && one.code === code && text.test(one.text));
    t.is(named?.level, level, JSON.stringify(found, null, 1));
  });

needs(
  test,
  'postgres',
  'pgbouncer',
)('doctor names a pooler in transaction mode', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const pooler = await startPgbouncer({
    program: service('pgbouncer').program,
    postgres: service('postgres'),
  });
  t.teardown(() => pooler.stop());
  const named = (found: Found[]) => found.find(({ check }) => check === 'pooler');
  t.like(named(await examine(pooler.url(database.url))), { level: 'warning', code: 'database-pooler' });
  const unprepared = { database: { preparedStatements: false } };
  t.like(named(await examine(pooler.url(database.url), unprepared)), { level: 'ok' });
  t.like(named(await examine(database.url)), { level: 'ok' });
});

needs(test, 'postgres')(
  'doctor finds nothing wrong with a migrated database, and leaves no trace in it',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const count = () =>
      database.query(
        `SELECT (SELECT count(*) FROM pg_class) AS relations, (SELECT count(*) FROM conductor_jobs.job) AS jobs,
         (SELECT count(*) FROM conductor_jobs.queue) AS queues`,
      );
    const before = await count();
    const found = await examine(database.url);
    t.deepEqual(
      found.filter(({ level }) => level === 'wrong'),
      [],
    );
    t.true(found.length >= 9, JSON.stringify(found));
    t.deepEqual(await count(), before);
  },
);

test('the clocks of two machines are compared', (t) => {
  t.is(judgeClock(0.3).level, 'ok');
  t.like(judgeClock(-5), { level: 'warning', code: 'clock-skew' });
  t.regex(judgeClock(-5).text, /5\.0 s behind/);
  t.like(judgeClock(600), { level: 'wrong', code: 'clock-skew' });
});

test('a certificate is judged by the time that it has left', (t) => {
  const now = Date.parse('2026-06-01T00:00:00Z');
  const judge = (validTo: string, validFrom = 'Jan 1 00:00:00 2026 GMT') =>
    judgeCertificate('it', { validTo, validFrom }, 'broker-tls', now).level;
  t.is(judge('Jun 1 00:00:00 2027 GMT'), 'ok');
  t.is(judge('Jun 10 00:00:00 2026 GMT'), 'warning');
  t.is(judge('May 31 00:00:00 2026 GMT'), 'wrong');
  t.is(judge('Jun 1 00:00:00 2027 GMT', 'Jul 1 00:00:00 2026 GMT'), 'wrong');
});
