import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'ava';
import pg from 'pg';
import { readAccess } from '../../src/core/config/access.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { grantStatements, grantTo, missingGrants, replicaPrivileges } from '../../src/database/grants.ts';
import { type Query, queryOn } from '../../src/database/query.ts';
import { ownTables, troveTables } from '../../src/database/schema.ts';
import { createDatabase, replicaUrl, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { run } from './support.ts';

/** The database user of a replica. */

const withPostgres = needs(test, 'postgres');
const role = 'conductor_replica';

interface Test {
  teardown(end: () => Promise<void>): void;
}

/** A session, closed at the end of the test. */
async function session(t: Test, url: string): Promise<Query> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  t.teardown(() => client.end());
  return queryOn(client);
}

/** Of the replica's user. */
const asReplica = (t: Test, { url }: TestDatabase) => session(t, replicaUrl(url));

test('docs/security.md has the grants that migrate --grant-to makes', (t) => {
  const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
  const [, block] = /```sql\n(GRANT[\s\S]*?)\n```/.exec(page) ?? [];
  t.is(
    block,
    grantStatements(role, 'public')
      .map((one) => `${one};`)
      .join('\n'),
  );
});

test('each table that a replica needs has its grant', (t) => {
  t.deepEqual(Object.keys(replicaPrivileges).toSorted(), [...troveTables, ...ownTables].toSorted());
});

withPostgres('a replica may create, alter and drop nothing, and reads no other table', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query('CREATE TABLE salaries (id integer PRIMARY KEY)');
  const query = await asReplica(t, database);
  t.deepEqual(await missingGrants(query), []);
  for (const forbidden of [
    'CREATE TABLE mine (id integer)',
    'CREATE SCHEMA mine',
    'CREATE TABLE conductor_jobs.mine (id integer)',
    'DROP TABLE deferred',
    'DROP TABLE conductor_jobs.job',
    'TRUNCATE dead_letters',
    'ALTER TABLE service_statuses DISABLE TRIGGER ALL',
    'SELECT FROM salaries',
    'SELECT FROM conductor_migrations',
    "INSERT INTO sender_keys (sender, key_id) VALUES ('i1', 'k1')",
    'DELETE FROM sender_keys',
    'UPDATE instances SET deleted = true',
    'DELETE FROM instances',
    'DELETE FROM service_statuses',
    "INSERT INTO backups (id, name, state) VALUES ('b', 'b', 'NEW')",
    "COPY instances TO PROGRAM 'true'",
  ])
    await t.throwsAsync(
      query(forbidden),
      { message: /permission denied|must be (owner|superuser)|not owner/ },
      forbidden,
    );
});

withPostgres('each grant that is taken away is named, as the statement that grants it', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const query = await asReplica(t, database);
  for (const statement of grantStatements(role, 'public').slice(1)) {
    await database.query(statement.replace(/^GRANT (.*) TO (\S+)$/, 'REVOKE $1 FROM $2'));
    t.deepEqual(await missingGrants(query), [statement]);
    await database.query(statement);
  }
  t.deepEqual(await missingGrants(query), []);
});

withPostgres('the tables of models are granted as far as services may use them', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query(
    'CREATE TABLE "Order" (id serial PRIMARY KEY, note text); CREATE TABLE hosts (id text PRIMARY KEY)',
  );
  const access = readAccess(
    { order: { table: 'Order' }, host: { table: 'public.hosts' }, unused: { table: 'nothing' } },
    {
      api: { methods: '*', models: { order: { read: '*', write: ['note'] }, host: { read: ['id'] } } },
      cleaner: { methods: '*', models: { host: { delete: true } } },
    },
  );
  const query = await asReplica(t, database);
  t.deepEqual(await missingGrants(query, { access }), [
    `GRANT SELECT, INSERT, UPDATE ON "Order" TO ${role}`,
    `GRANT SELECT, UPDATE, DELETE ON public."hosts" TO ${role}`,
    `GRANT USAGE ON SEQUENCE "Order_id_seq" TO ${role}`,
  ]);
  t.regex(
    await run(database, { access, grantTo: role, dryRun: true }),
    /This would be granted:[\s\S]*ON "Order"/,
  );
  t.is((await missingGrants(query, { access })).length, 3);
  t.regex(await run(database, { access, grantTo: role }), /Granted:[\s\S]*ON "Order"/);
  t.deepEqual(await missingGrants(query, { access }), []);
});

withPostgres(
  'each partition of service_statuses is granted, since the census reads it by itself',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await database.query(
      `ALTER TABLE service_statuses RENAME TO part; CREATE TABLE service_statuses (LIKE part) PARTITION BY HASH (instance_id);
     ALTER TABLE service_statuses ATTACH PARTITION part FOR VALUES WITH (MODULUS 1, REMAINDER 0); REVOKE ALL ON part FROM ${role};
     GRANT SELECT, INSERT, UPDATE ON service_statuses TO ${role}`,
    );
    const query = await asReplica(t, database);
    t.deepEqual(await missingGrants(query), [`GRANT SELECT ON part TO ${role}`]);
    await grantTo(await session(t, database.url), role, { dryRun: false });
    t.deepEqual(await missingGrants(query), []);
  },
);

withPostgres('a role that does not exist is refused, and one with a strange name is not', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const name = `odd "name" ${randomUUID()}`;
  const error = await t.throwsAsync(run(database, { grantTo: name }), { instanceOf: ConfigError });
  t.regex(error.message, /--grant-to: Postgres has no role odd .* CREATE ROLE "odd ""name"" .*" LOGIN/);
  const quoted = `"${name.replaceAll('"', '""')}"`;
  await database.query(`CREATE ROLE ${quoted}`);
  t.regex(await run(database, { grantTo: name }), /GRANT SELECT ON sender_keys TO "odd ""name""/);
  await database.query(`DROP OWNED BY ${quoted}; DROP ROLE ${quoted}`);
});
