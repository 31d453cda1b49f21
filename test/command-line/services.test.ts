import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { createDatabase } from '../support/database.ts';
import { secureMosquitto, stopSecureBrokers } from '../support/secure-brokers.ts';
import { needs, service } from '../support/services.ts';
import { configuration, run } from './support.ts';

// One at a time: each is a process that takes half a second of a core to start.
const test = needs(ava.serial, 'postgres');
const rabbitTest = needs(ava.serial, 'postgres', 'rabbitmq');

const tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";

test('migrate --dry-run prints the changes and makes none', async (t) => {
  const database = await createDatabase(t);
  const file = configuration(`database: { url: "${database.url}" }`);
  const { code, stdout, errors } = await run(t, ['migrate', '--dry-run', '--config', file]);
  t.is(code, 0, errors.join('\n'));
  t.deepEqual(errors, []);
  t.regex(stdout, /dead_letters/);
  t.deepEqual(await database.query(tables), []);
});

test('migrate creates the tables, and a second run changes nothing', async (t) => {
  const database = await createDatabase(t);
  const file = configuration(`database: { url: "${database.url}" }`);
  for (const end of [/The database is ready\.\n$/, /^The database is up to date\.\n$/]) {
    const { code, stdout, errors } = await run(t, ['migrate', '--config', file]);
    t.is(code, 0, errors.join('\n'));
    t.regex(stdout, end);
  }
  const names = (await database.query<{ tablename: string }>(tables)).map(({ tablename }) => tablename);
  for (const name of ['backups', 'dead_letters', 'deferred', 'instances', 'service_statuses'])
    t.true(names.includes(name), name);
});

test('migrate --rollback drops them again', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const file = configuration(`database: { url: "${database.url}" }`);
  t.is((await run(t, ['migrate', '--rollback', '--config', file])).code, 0);
  t.false(
    (await database.query<{ tablename: string }>(tables)).some(({ tablename }) => tablename === 'deferred'),
  );
});

test('migrate ends with exit code 1 and one line if the database cannot be reached', async (t) => {
  const file = configuration('database: { url: "postgresql://conductor:a-secret@127.0.0.1:1/trove" }');
  const { code, errors } = await run(t, ['migrate', '--config', file]);
  t.is(code, 1);
  t.deepEqual(errors, [
    'conductor: The database cannot be reached: connect ECONNREFUSED 127.0.0.1:1. Start Postgres, or correct database.url. [database-unreachable]',
  ]);
});

test('start ends with exit code 2 and says to run migrate if the database is not migrated', async (t) => {
  const { url } = await createDatabase(t);
  const file = configuration(
    `database: { url: "${url}" }`,
    'transports: { rabbit: { kind: amqp091, url: "amqp://127.0.0.1:1" } }',
  );
  const { code, errors } = await run(t, ['start', '--config', file]);
  t.is(code, 2);
  t.is(errors.length, 1, errors.join('\n'));
  t.regex(
    errors[0] ?? '',
    /^conductor: the database lacks .*: run `conductor migrate` with this configuration \[database-schema\]$/,
  );
});

rabbitTest(
  'start with wrong credentials ends with exit code 2 and one line, without the secrets',
  async (t) => {
    const { url } = await createDatabase(t, { migrated: true });
    const database = withPassword(url);
    const broker = withPassword(service('rabbitmq').url);
    const file = configuration(
      `database: { url: "${database.href}" }`,
      `transports: { rabbit: { kind: amqp091, url: "${broker.href}" } }`,
    );
    for (const level of ['fatal', 'trace']) {
      const { code, stdout, errors } = await run(t, ['start', '--config', file], {
        CONDUCTOR_LOG__LEVEL: level,
      });
      const [line = '', ...more] = errors.filter((text) => !text.startsWith('{'));
      t.is(code, 2);
      t.is(stdout, '');
      t.regex(line, /^conductor: .*ACCESS.REFUSED/);
      t.deepEqual(more, []);
      t.is(level === 'fatal', errors.length === 1, errors.join('\n'));
      for (const { password } of [database, broker]) t.false(errors.join().includes(password));
    }
  },
);

ava.after.always(stopSecureBrokers);

needs(
  ava.serial,
  'postgres',
  'mosquitto',
)("start ends with exit code 2 and one line if tls.ca has not signed the broker's certificate", async (t) => {
  const { url } = await createDatabase(t, { migrated: true });
  const { tlsPort, certificates } = await secureMosquitto();
  const edge = `{ kind: mqtt, url: "mqtts://127.0.0.1:${tlsPort}", tls: { ca: "${certificates.stranger}" } }`;
  const file = configuration(
    `database: { url: "${url}" }`,
    `transports: { edge: ${edge} }`,
    'log: { level: fatal }',
  );
  const { code, errors } = await run(t, ['start', '--config', file]);
  t.is(code, 2);
  t.is(errors.length, 1, errors.join('\n'));
  t.regex(
    errors[0] ?? '',
    /^conductor: transports\.edge: tls\.ca: the broker's certificate is not signed by/,
  );
});

function withPassword(text: string): URL {
  const url = new URL(text);
  url.password = `secret-${randomUUID()}`;
  return url;
}
