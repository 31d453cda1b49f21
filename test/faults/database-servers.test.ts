import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type pg from 'pg';
import type { DatabaseAddress } from '../../src/core/config/database-hosts.ts';
import { ConfigError, messageOf, NotConnected } from '../../src/core/errors.ts';
import { openSession } from '../../src/database/session.ts';
import { inTransaction } from '../../src/workers/postgres/transaction.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import type { TestDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { findProgram } from '../support/processes.ts';
import { needs, onlyIf, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { openContext } from '../support/worker.ts';
import { demote, promote, startOwnPostgres } from './databases.ts';

const dbTest = needs(test.serial, 'postgres');
const hasOpenssl = findProgram('openssl') !== undefined;

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

type Query = (client: pg.ClientBase) => Promise<unknown>;

/** What a session that looks at the schema and a worker's transaction each learn; or how they fail. */
async function fromBoth(t: Test, address: DatabaseAddress, text: string): Promise<unknown[]> {
  const read: Query = async (client) => Object.values((await client.query(text)).rows[0] ?? {})[0];
  const bySession = async () => {
    const client = await openSession(address, 'look');
    return read(client).finally(() => client.end());
  };
  const context = openContext(t, { url: address.url, query: async () => [] }, { database: { ...address } });
  const byWorker = async () =>
    inTransaction(context.pool, { preparedStatements: true }, async (db) => {
      const [row = {}] = await db.query('', text, []);
      return Object.values(row)[0];
    });
  return [await bySession(), await byWorker()];
}

const both = (value: unknown) => [value, value];
const address = (database: TestDatabase, change: (url: URL) => void): DatabaseAddress => {
  const url = new URL(database.url);
  change(url);
  return { url: url.href };
};
const hostOf = ({ url }: TestDatabase) => new URL(url).host;

dbTest(
  'of several servers the one that answers and can write is used, and another one after a failover',
  async (t) => {
    const [one, other] = [await startOwnPostgres(t), await startOwnPostgres(t)];
    const nobody = `127.0.0.1:${await freePort()}`;
    const port = "SELECT current_setting('port')";
    const portOf = (database: TestDatabase) => new URL(database.url).port;
    const list = (...hosts: string[]) => `postgresql://conductor@${hosts.join(',')}/postgres`;
    await demote(one.postgres, one.database);
    const all = [nobody, hostOf(one.database), hostOf(other.database)];
    t.deepEqual(await fromBoth(t, { url: list(...all) }, port), both(portOf(other.database)));
    t.deepEqual(await fromBoth(t, { url: list(...all.toReversed()) }, port), both(portOf(other.database)));
    t.deepEqual(
      await fromBoth(t, { url: `${list(...all)}?target_session_attrs=any` }, port),
      both(portOf(one.database)),
    );

    const context = openContext(t, { url: list(...all), query: async () => [] });
    const write = () =>
      inTransaction(context.pool, { preparedStatements: true }, async (db) => {
        await db.query(
          '',
          "INSERT INTO instances (id, name, deleted) VALUES (gen_random_uuid(), 'x', false)",
          [],
        );
      });
    await write();
    await demote(other.postgres, other.database);
    await promote(one.database);
    await waitFor(() => write().then(() => true), { what: 'the other server to be written to' });
    t.is((await one.database.query('SELECT FROM instances')).length, 1);
  },
);

dbTest('if no server can write, the error names each with its reason', async (t) => {
  const { postgres, database } = await startOwnPostgres(t);
  await demote(postgres, database);
  const nobody = await freePort();
  const url = `postgresql://conductor@127.0.0.1:${nobody},${hostOf(database)}/postgres`;
  const error = await t.throwsAsync(openSession({ url }, 'look'), { instanceOf: NotConnected });
  t.regex(
    messageOf(error),
    new RegExp(`${hostOf(database)} is a standby, and target_session_attrs is read-write`),
  );
  const context = openContext(t, { url, query: async () => [] });
  const held = await t.throwsAsync(inTransaction(context.pool, { preparedStatements: true }, async () => {}));
  t.regex(messageOf(held), /ECONNREFUSED/);
  t.regex(messageOf(held), /is a standby/);
});

/** A Postgres that does TLS, too. */
async function startWithTls(t: Test, { server }: Certificates): Promise<TestDatabase> {
  const { database } = await startOwnPostgres(t);
  // Written by the server itself, which wants the key to be its own user's.
  for (const [name, file] of Object.entries({ 'server.crt': server.cert, 'server.key': server.key })) {
    const lines = (await readFile(file, 'utf8')).trim();
    await database.query(
      `COPY (SELECT unnest(string_to_array('${lines}', E'\\n'))) TO PROGRAM 'umask 077; cat > ${name}'`,
    );
  }
  await database.query('ALTER SYSTEM SET ssl = on');
  await database.query('SELECT pg_reload_conf()');
  await waitFor(async () => (await database.query('SHOW ssl'))[0]?.ssl === 'on', { what: 'TLS to be on' });
  return database;
}

const encrypted = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

const tlsTest = hasOpenssl ? dbTest : onlyIf(test.serial, false, 'openssl is not installed');

tlsTest('sslmode has the meaning that libpq gives it', async (t) => {
  const certificates = makeCertificates();
  const database = await startWithTls(t, certificates);
  const { ca, stranger } = certificates;
  const elsewhere = (url: URL) => {
    // The same address, under a name that is not in the certificate.
    url.hostname = '127.1';
  };
  for (const [parameters, expected, change] of [
    ['sslmode=disable', false],
    ['sslmode=allow', false],
    ['sslmode=prefer', true],
    ['sslmode=require', true],
    ['sslmode=no-verify', true],
    [`sslmode=require&sslrootcert=${ca}`, true],
    [`sslmode=verify-ca&sslrootcert=${ca}`, true],
    [`sslmode=verify-full&sslrootcert=${ca}`, true],
    [`sslmode=prefer&sslrootcert=${stranger}`, false],
    ['sslmode=verify-full', /Name the authority that has signed its certificate in sslrootcert\.$/],
    [`sslmode=require&sslrootcert=${stranger}`, /^database\.url: no TLS with the database: .*sslrootcert\.$/],
    [`sslmode=verify-ca&sslrootcert=${stranger}`, /sslrootcert\.$/],
    [
      `sslmode=verify-ca&sslrootcert=${ca}&sslcert=${certificates.client.cert}&sslkey=${certificates.client.key}`,
      true,
    ],
    [
      'sslmode=require&sslrootcert=/none/ca.crt',
      /^database\.url: sslrootcert: cannot read the file: .*\/none\/ca\.crt/,
    ],
    [
      'sslmode=require&sslcert=/none/a.crt&sslkey=/none/a.key',
      /^database\.url: sslcert: cannot read the file: /,
    ],
    [`sslmode=require&sslcert=${ca}&sslkey=/none/a.key`, /^database\.url: sslkey: cannot read the file: /],
    [`sslmode=require&sslcert=${ca}`, /^database\.url: sslkey: is required beside the other$/],
    [
      `sslmode=require&sslrootcert=${certificates.server.key}`,
      /^database\.url: sslrootcert: .* holds no certificate/,
    ],
    [`sslmode=verify-full&sslrootcert=${ca}`, /another name/, elsewhere],
    [`sslmode=verify-ca&sslrootcert=${ca}`, true, elsewhere],
  ] as const) {
    const target = address(database, (url) => {
      url.search = parameters;
      change?.(url);
    });
    if (typeof expected === 'boolean') {
      t.deepEqual(await fromBoth(t, target, encrypted), both(expected), parameters);
    } else {
      const error = await t.throwsAsync(openSession(target, 'look'), { instanceOf: ConfigError }, parameters);
      t.regex(messageOf(error), expected, parameters);
      const context = openContext(t, { url: target.url, query: async () => [] });
      await t.throwsAsync(
        inTransaction(context.pool, { preparedStatements: true }, async () => {}),
        undefined,
        parameters,
      );
    }
  }
});

dbTest(
  'if the server has no TLS, sslmode=prefer connects without TLS and the error of sslmode=require says so',
  async (t) => {
    const database = { url: service('postgres').url(), query: async () => [] };
    const mode = (name: string) =>
      address(database, (url) => {
        url.search = `sslmode=${name}`;
      });
    for (const name of ['disable', 'allow', 'prefer'])
      t.deepEqual(await fromBoth(t, mode(name), encrypted), both(false), name);
    await t.throwsAsync(openSession(mode('require'), 'look'), {
      instanceOf: ConfigError,
      message: /The server does no TLS: write sslmode=prefer or sslmode=disable\.$/,
    });
  },
);

dbTest('the password file is read at each connection, and overrides the URL', async (t) => {
  const { database } = await startOwnPostgres(t);
  await askForPasswords(database, 'first');
  const passwordFile = join(temporaryDirectory('password'), 'password');
  const { url } = address(database, (parsed) => {
    parsed.username = 'secretive';
    parsed.password = 'wrong';
  });
  writeFileSync(passwordFile, 'first\nanother line\n');
  const user = 'SELECT current_user';
  t.deepEqual(await fromBoth(t, { url, passwordFile }, user), both('secretive'));
  const context = openContext(t, { url, query: async () => [] }, { database: { passwordFile } });
  const connect = () => inTransaction(context.pool, { preparedStatements: true }, async () => 'connected');
  await database.query("ALTER ROLE secretive PASSWORD 'second'");
  await t.throwsAsync(connect(), { message: /password authentication failed/ });
  writeFileSync(passwordFile, 'second');
  t.is(await connect(), 'connected');

  await t.throwsAsync(openSession({ url }, 'look'), {
    instanceOf: ConfigError,
    message: /Correct database\.url/,
  });
  for (const [file, message] of [
    ['/none/password', /^database\.passwordFile: cannot read the file: .*\/none\/password/],
    ['/dev/null', /^database\.passwordFile: \/dev\/null is empty$/],
  ] as const)
    await t.throwsAsync(openSession({ url, passwordFile: file }, 'look'), {
      instanceOf: ConfigError,
      message,
    });
});

/** Adds a user who needs a password; the others need none. */
async function askForPasswords(database: TestDatabase, password: string): Promise<void> {
  await database.query(`CREATE ROLE secretive LOGIN PASSWORD '${password}'`);
  const rules = "'host all secretive all scram-sha-256', 'host all all all trust'";
  await database.query(`COPY (SELECT unnest(ARRAY[${rules}])) TO PROGRAM 'cat > pg_hba.conf'`);
  await database.query('SELECT pg_reload_conf()');
}
