import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { stringify } from 'yaml';
import { changesBetween, checkFiles, merged, snapshotOf } from '../../src/core/config/changes.ts';
import { type Config, parseConfig } from '../../src/core/config/load.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** What counts without a restart. */

const database = 'postgresql://conductor:old@db1:5432,db2:5432/trove?sslmode=require';
const rabbit = { kind: 'amqp091', url: 'amqp://guest:old@mq1,amqp://guest:old@mq2', queue: 'q' };
const stream = { kind: 'nats', url: 'nats://mq', token: 'old' };

function configOf(settings: Record<string, unknown> = {}): Config {
  const { url = database, ...rest } = settings;
  const text = stringify({ database: { url }, transports: { rabbit, stream }, ...rest });
  return parseConfig(text, 'conductor.yaml', {}, transportKinds);
}

function changes(before: Config, after: Config) {
  return changesBetween(snapshotOf(before), snapshotOf(after));
}

for (const [what, settings, live, restart] of [
  ['nothing', {}, [], []],
  ['the password in the URL of the database', { url: database.replace('old', 'new') }, ['database.url'], []],
  ['a host of the database', { url: database.replace('db1', 'db3') }, [], ['database.url']],
  ['the database', { url: database.replace('/trove', '/other') }, [], ['database.url']],
  ['the level of the log', { log: { level: 'debug' } }, ['log.level'], []],
  ['a grant', { services: { api: { methods: '*' } } }, ['services'], []],
  ['a model', { models: { thing: { table: 'things' } } }, ['models'], []],
  ['a bound', { maxInFlight: 10, workers: { threads: 2 } }, [], ['workers.threads', 'maxInFlight']],
  [
    'the user of a transport',
    { transports: { rabbit: { ...rabbit, user: 'other' }, stream } },
    ['transports.rabbit.user'],
    [],
  ],
  [
    'the users in the URLs of a transport',
    { transports: { rabbit: { ...rabbit, url: rabbit.url.replaceAll('guest:old', 'other:new') }, stream } },
    ['transports.rabbit.url'],
    [],
  ],
  [
    'a host of a transport',
    { transports: { rabbit: { ...rabbit, url: rabbit.url.replace('mq2', 'mq3') }, stream } },
    [],
    ['transports.rabbit.url'],
  ],
  [
    'a credential that only NATS has',
    { transports: { rabbit, stream: { ...stream, token: 'new' } } },
    ['transports.stream.token'],
    [],
  ],
  [
    'the user and the queue of a transport',
    { transports: { rabbit: { ...rabbit, user: 'other', queue: 'r' }, stream } },
    [],
    ['transports.rabbit.queue', 'transports.rabbit.user'],
  ],
  [
    'a transport that is new and one that is gone',
    { transports: { rabbit, other: stream } },
    [],
    ['transports.other', 'transports.stream'],
  ],
] as const) {
  test(`${what}: ${live.length > 0 ? 'counts at once' : restart.length > 0 ? 'needs a restart' : 'changes nothing'}`, (t) => {
    const found = changes(configOf(), configOf(settings));
    t.deepEqual(found.live, live);
    t.deepEqual(found.restart.toSorted(), [...restart].toSorted());
  });
}

test('a replica takes over the live keys and keeps the others, which are named again the next time', (t) => {
  const before = snapshotOf(configOf());
  const after = snapshotOf(
    configOf({
      url: database.replace('old', 'new'),
      log: { level: 'warn' },
      maxInFlight: 10,
      transports: { rabbit: { ...rabbit, queue: 'r' }, stream: { ...stream, token: 'new' } },
    }),
  );
  const taken = merged(before, after, changesBetween(before, after));
  t.is(taken.config.database.url, after.config.database.url);
  t.is(taken.config.log.level, 'warn');
  t.is(taken.config.maxInFlight, before.config.maxInFlight);
  t.deepEqual(taken.config.transports, [before.config.transports[0], after.config.transports[1]]);
  t.deepEqual(changesBetween(taken, after), {
    live: [],
    restart: ['maxInFlight', 'transports.rabbit.queue'],
  });
});

test('the content of a file of credentials or certificates counts, a password file as one key', (t) => {
  const folder = temporaryDirectory('changes');
  const [password, seed] = [join(folder, 'password'), join(folder, 'seed')];
  const read = () =>
    snapshotOf(
      configOf({
        transports: {
          rabbit: { ...rabbit, passwordFile: password },
          stream: { ...stream, token: '', nkeySeedFile: seed },
        },
      }),
    );
  writeFileSync(password, 'old');
  writeFileSync(seed, 'old');
  const before = read();
  writeFileSync(password, 'new');
  const first = read();
  t.deepEqual(changesBetween(before, first).live, ['transports.rabbit.passwordFile']);
  writeFileSync(seed, 'new');
  t.deepEqual(changesBetween(first, read()).live, ['transports.stream.nkeySeedFile']);
  t.false(JSON.stringify([...first.files]).includes('new'));
});

test('a certificate that cannot be used is refused by its key', (t) => {
  const ca = join(temporaryDirectory('changes'), 'ca.pem');
  writeFileSync(ca, 'no certificate');
  const config = configOf({ transports: { rabbit: { ...rabbit, tls: { ca } }, stream } });
  t.throws(() => checkFiles(config), { message: /^transports\.rabbit\.tls\.ca: .* holds no certificate/ });
});
