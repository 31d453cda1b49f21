import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { loadConfig } from '../../src/core/config/load.ts';
import { baseSchema } from '../../src/core/config/schema.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { mqttSchema } from '../../src/transports/mqtt/options.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { edge, kindNames, minimal, rabbit, read, refusal } from './support.ts';

test('what the file does not say has its default', (t) => {
  const { database, workers, maxInFlight, replica, transports } = read(minimal);
  t.deepEqual(database, {
    url: 'postgresql://db/trove',
    connectTimeout: 5000,
    statementTimeout: 10_000,
    lockTimeout: 1000,
    preparedStatements: true,
  });
  t.deepEqual(workers, { threads: 0, concurrency: 4, maxBatch: 1000 });
  t.is(maxInFlight, 4000);
  t.is(replica, hostname());
  t.deepEqual(transports, []);
});

test('what the file says replaces the default, and only that', (t) => {
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
    auth: { mode: 'none' },
    url: 'amqp://mq',
    heartbeat: 30,
  });
  t.is(printable?.connectTimeout, 10_000);
});

test('a free-form map is taken as it stands, nested or with dots in its keys', (t) => {
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

const keys = Object.keys(baseSchema).join(', ');
const mqttKeys = Object.keys(mqttSchema).join(', ');

for (const [what, text, message] of [
  ['an unknown key at the top', `${minimal}\nworker: 1`, `worker: unknown key; expected one of ${keys}`],
  [
    'an unknown key in a section',
    'database: { url: postgresql://db/trove, user: eve }',
    'database.user: unknown key; expected one of url, connectTimeout, statementTimeout, lockTimeout, preparedStatements',
  ],
  [
    'an unknown key in a transport',
    edge('ulr: mqtt://mq'),
    `transports.edge.ulr: unknown key; expected one of ${mqttKeys}`,
  ],
  [
    'an unknown key in a section of a transport',
    edge('auth: { modus: subject }'),
    'transports.edge.auth.modus: unknown key; expected one of mode',
  ],
  [
    'an option of another kind',
    edge('queue: conductor'),
    `transports.edge.queue: unknown key; expected one of ${mqttKeys}`,
  ],
  ['a key __proto__', `${minimal}\n__proto__: { log: 1 }`, `__proto__: unknown key; expected one of ${keys}`],
  ['a text for a number', `${minimal}\nmaxInFlight: '400'`, 'maxInFlight: must be a number, not a string'],
  [
    'a text for a yes or no',
    `${minimal}\nguests: { autoRegister: 'no' }`,
    'guests.autoRegister: must be a boolean, not a string',
  ],
  [
    'nothing for a number',
    `${minimal}\nworkers: { threads: }`,
    'workers.threads: must be a number, not null',
  ],
  [
    'a number for a section',
    `${minimal}\nworkers: 4`,
    'workers: must be a map of keys to values, not a number',
  ],
  [
    'a list for a section',
    `${minimal}\nworkers: [4]`,
    'workers: must be a map of keys to values, not an array',
  ],
  ['a fraction', `${minimal}\nmaxInFlight: 1.5`, 'maxInFlight: must be a whole number above 0'],
  ['zero', `${minimal}\nworkers: { maxBatch: 0 }`, 'workers.maxBatch: must be a whole number above 0'],
  ['no end of messages', `${minimal}\nmaxInFlight: .inf`, 'maxInFlight: must be a whole number above 0'],
  [
    'a time that no timer can wait',
    `${minimal}\nshutdown: { deadline: 2147483648 }`,
    'shutdown.deadline: must be a whole number from 1 to 2147483647',
  ],
  [
    'a word that is not one of those that may be',
    `${minimal}\nlog: { level: verbose }`,
    'log.level: must be one of fatal, error, warn, info, debug, trace',
  ],
  ['an empty replica', `${minimal}\nreplica: ''`, 'replica: must be a text that is not empty'],
  [
    'no database',
    'maxInFlight: 10',
    'database.url: is required: a URL that starts with postgresql:// or postgres://',
  ],
  [
    'a database of another scheme',
    'database: { url: mysql://db/trove }',
    'database.url: must be a URL that starts with postgresql:// or postgres://',
  ],
  [
    'a URL without slashes',
    'database: { url: "postgresql:trove" }',
    'database.url: must be a URL that starts with postgresql:// or postgres://',
  ],
  [
    'a password with a bare %',
    'database: { url: "postgresql://conductor:50%@db/trove" }',
    'database.url: must have a % in its user or password written as %25',
  ],
  [
    'a transport without its URL',
    `${minimal}\ntransports: { edge: { kind: mqtt } }`,
    'transports.edge.url: is required: a URL that starts with mqtt:// or mqtts:// or ws:// or wss://',
  ],
  [
    "a transport with another kind's URL",
    `${minimal}\ntransports: { edge: { kind: mqtt, url: amqp://mq } }`,
    'transports.edge.url: must be a URL that starts with mqtt:// or mqtts:// or ws:// or wss://',
  ],
  [
    'a transport without a kind',
    `${minimal}\ntransports: { edge: { url: mqtt://mq } }`,
    `transports.edge.kind: is required: one of ${kindNames}`,
  ],
  [
    'a transport of an unknown kind',
    `${minimal}\ntransports: { edge: { kind: kafka, url: mqtt://mq } }`,
    `transports.edge.kind: must be one of ${kindNames}`,
  ],
  [
    'a transport of a kind that every object has',
    `${minimal}\ntransports: { edge: { kind: constructor } }`,
    `transports.edge.kind: must be one of ${kindNames}`,
  ],
  [
    'a transport that is a text',
    `${minimal}\ntransports: { edge: mqtt://mq }`,
    'transports.edge: must be a map of keys to values, not a string',
  ],
  [
    'transports as a list',
    `${minimal}\ntransports: [{ kind: mqtt }]`,
    'transports: must be a map of names to transports, not an array',
  ],
  [
    'an auth mode that the kind cannot prove',
    edge('auth: { mode: user-id }'),
    'transports.edge.auth.mode: must be one of none, subject',
  ],
  [
    'fewer messages than transports',
    `${rabbit()}\n  other: { kind: amqp091, url: amqp://mq }\nmaxInFlight: 1`,
    'maxInFlight: must be at least the number of transports, 2',
  ],
  [
    'fewer bytes than transports',
    `${rabbit()}\n  other: { kind: amqp091, url: amqp://mq }\nmaxInFlightBytes: 1`,
    'maxInFlightBytes: must be at least the number of transports, 2',
  ],
  ['a list', '- 1', 'conductor.yaml: must be a map of keys to values, not an array'],
  [
    'a bracket that is not closed',
    'database: [1',
    'conductor.yaml is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 13',
  ],
  [
    'a key that stands twice',
    `${minimal}\n${minimal}`,
    'conductor.yaml is not YAML: Map keys must be unique at line 2, column 1',
  ],
  [
    'a tag that nobody knows',
    `${minimal}\nreplica: !env HOST`,
    'conductor.yaml is not YAML: Unresolved tag: !env at line 2, column 10',
  ],
  [
    'a key that is a list',
    '? [database]\n: 1',
    'conductor.yaml is not YAML: With stringKeys, all keys must be strings at line 1, column 3',
  ],
  [
    'an alias that leads nowhere',
    'replica: *name',
    'conductor.yaml is not YAML: Unresolved alias (the anchor must be set before the alias): name',
  ],
  [
    'several documents',
    `${minimal}\n---\n${minimal}`,
    'conductor.yaml is not YAML: Source contains multiple documents; please use YAML.parseAllDocuments() at line 2, column 1',
  ],
] as const) {
  test(`${what} is refused in one line that names it`, (t) => {
    t.is(refusal(text), message);
  });
}

test('an empty file lacks the database', (t) => {
  t.regex(refusal(''), /^database\.url: is required/);
});

test('a file that is not there is named', async (t) => {
  const file = join(temporaryDirectory('config'), 'missing.yaml');
  const error = await t.throwsAsync(loadConfig(file, {}, transportKinds), { instanceOf: ConfigError });
  t.regex(error.message, /^cannot read the configuration file: ENOENT: .*missing\.yaml'$/);
});

test('a file is read with the environment over it', async (t) => {
  const file = join(temporaryDirectory('config'), 'conductor.yaml');
  await writeFile(file, minimal);
  const config = await loadConfig(file, { CONDUCTOR_REPLICA: 'a', HOME: '/' }, transportKinds);
  t.is(config.replica, 'a');
});
