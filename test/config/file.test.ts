import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { includes } from '../../src/core/config/access.ts';
import { loadConfig } from '../../src/core/config/load.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { edge, minimal, rabbit, read } from './support.ts';

test('a key that is missing in the file has its default', (t) => {
  const { database, workers, maxInFlight, replica, transports } = read(minimal);
  t.deepEqual(database, {
    url: 'postgresql://db/trove',
    passwordFile: '',
    connectTimeout: 5000,
    statementTimeout: 10_000,
    lockTimeout: 1000,
    idleInTransactionTimeout: 5000,
    synchronousCommit: 'on',
    durability: 'unknown',
    preparedStatements: true,
  });
  t.deepEqual(workers, { threads: 0, concurrency: 4, maxBatch: 1000 });
  t.is(maxInFlight, 4000);
  t.is(replica, hostname());
  t.deepEqual(transports, []);
});

test('a key in the file replaces its default, and no other default', (t) => {
  const { workers, guests, log } = read(
    `${minimal}\nworkers: { threads: 7 }\nguests: { autoRegister: true }\nlog: { level: debug }`,
  );
  t.deepEqual(workers, { threads: 7, concurrency: 4, maxBatch: 1000 });
  t.true(guests.autoRegister);
  t.is(log.level, 'debug');
});

test('a transport has the options of its kind, with their defaults', (t) => {
  const [{ name, options, printable } = {}] = read(rabbit('heartbeat: 30')).transports;
  t.is(name, 'rabbit');
  t.deepEqual(options, {
    ...printable,
    kind: 'amqp091',
    codec: 'native',
    auth: { mode: 'none', iKnow: '', instRpcKeyEncrKey: '', maxAge: 86_400_000, key: '', keyFile: '' },
    url: 'amqp://mq',
    heartbeat: 30,
  });
  t.is(printable?.connectTimeout, 10_000);
});

test('a free-form map is kept unchanged, nested or with dots in its keys', (t) => {
  const [{ printable } = {}] = read(
    rabbit('queueArguments: { x-queue-type: quorum, a.b: 1, nested: { list: [1] } }'),
  ).transports;
  t.deepEqual(printable?.queueArguments, { 'x-queue-type': 'quorum', 'a.b': 1, nested: { list: [1] } });
});

test('two transports of a kind do not share their options', (t) => {
  const two = `${rabbit('queueArguments: { x-queue-type: quorum }')}
  other: { kind: amqp091, url: amqp://mq }`;
  t.deepEqual(
    read(two).transports.map(({ printable }) => printable.queueArguments),
    [{ 'x-queue-type': 'quorum' }, {}],
  );
});

test('models and services grant only the listed methods, tables and columns', (t) => {
  const { access } = read(`${minimal}
models:
  instance: { table: instances, read: { except: [encrypted_key] } }
services:
  api: { methods: [model_get], models: { instance: { read: '*', write: [name] } } }
  nobody: {}`);
  const { api, nobody } = Object.fromEntries(access.services);
  t.deepEqual([...(api?.methods ?? [])], ['model_get']);
  t.deepEqual([...(nobody?.methods ?? ['all'])], []);
  t.is(nobody?.models.size, 0);
  const grant = api?.models.get('instance');
  const most = access.models.get('instance');
  if (grant === undefined || most === undefined) return t.fail();
  t.deepEqual(
    ['name', 'encrypted_key'].map((column) => [
      includes(most.read, column),
      includes(grant.read, column),
      includes(grant.write, column),
    ]),
    [
      [true, true, true],
      [false, true, false],
    ],
  );
  t.false(grant.delete);
});

test('the error for a missing file names the file', async (t) => {
  const file = join(temporaryDirectory('config'), 'missing.yaml');
  const error = await t.throwsAsync(loadConfig(file, {}, transportKinds), { instanceOf: ConfigError });
  t.regex(error.message, /^cannot read the configuration file: ENOENT: .*missing\.yaml'$/);
});

test('variables of the environment override the file', async (t) => {
  const file = join(temporaryDirectory('config'), 'conductor.yaml');
  await writeFile(file, minimal);
  const config = await loadConfig(file, { CONDUCTOR_REPLICA: 'a', HOME: '/' }, transportKinds);
  t.is(config.replica, 'a');
});

test('a file may begin with a byte order mark', async (t) => {
  const file = join(temporaryDirectory('config'), 'conductor.yaml');
  await writeFile(file, `\u{feff}${minimal}`);
  t.is((await loadConfig(file, {}, transportKinds)).database.url, 'postgresql://db/trove');
});

test('a directory is refused as a configuration', async (t) => {
  const folder = temporaryDirectory('config');
  const error = await t.throwsAsync(loadConfig(folder, {}, transportKinds), { instanceOf: ConfigError });
  t.is(error.message, `cannot read the configuration file: ${folder} is a directory; name the file in it`);
});

test('a file in another encoding is refused', async (t) => {
  const file = join(temporaryDirectory('config'), 'conductor.yaml');
  for (const bytes of [
    Buffer.from(`\u{feff}${minimal}`, 'utf16le'),
    Buffer.from(`${minimal} # é`, 'latin1'),
  ]) {
    await writeFile(file, bytes);
    const error = await t.throwsAsync(loadConfig(file, {}, transportKinds), { instanceOf: ConfigError });
    t.is(error.message, `${file}: is not UTF-8; save it as UTF-8`);
  }
});

test('a subject is accepted if its last token is the sender', (t) => {
  for (const routingKey of ['conductor.*', 'conductor.#', '*', '#'])
    t.notThrows(() => read(rabbit(`routingKey: '${routingKey}'`, 'auth: { mode: subject }')));
  for (const topic of ['conductor/+', 'conductor/#', '+', '#'])
    t.notThrows(() => read(edge(`topic: '${topic}'`, 'auth: { mode: subject }')));
});
