import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { connectClient } from '../client/brokers.ts';
import { type ConductorOptions, configurationOf, startConductorProcess } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { openMosquitto, openRabbitmq, type TestBroker } from './brokers.ts';
import { Fleet } from './fleet.ts';
import { openNats } from './nats-broker.ts';

/** A replica reads its configuration anew at SIGHUP, while messages flow. */

const rabbitTest = needs(test, 'rabbitmq', 'postgres');
const mosquittoTest = needs(test, 'mosquitto', 'postgres');

const readAnew = 'the configuration was read anew';
const notRead =
  'the configuration was not read anew: the replica keeps its settings. Correct it and send SIGHUP again';

type Options = Omit<ConductorOptions, 'folder'>;

/** A replica whose configuration can be changed. */
async function start(t: ExecutionContext, options: Options) {
  const folder = temporaryDirectory('reload');
  const conductor = await startConductorProcess(t, { ...options, folder });
  let signals = 0;
  const file = join(folder, 'conductor.yaml');
  const write = (text: string) => {
    writeFileSync(file, text);
    signals += 1;
    conductor.signal('SIGHUP');
  };
  return {
    conductor,
    file,
    /** Resolves with the line about it. */
    change: (changed: Options) => {
      write(configurationOf(changed));
      return conductor.log.line(readAnew, signals);
    },
    write,
  };
}

const dead = { kind: 'amqp091', url: 'amqp://127.0.0.1:1' };
const reads = (columns: unknown) => ({
  models: { instance: { table: 'instances' } },
  services: { anonymous: { methods: ['model_list'], models: { instance: { read: columns } } } },
});

rabbitTest(
  'a grant that is given or taken counts for every call after the line, and no message is lost',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const fleet = new Fleet(50);
    await fleet.register(database);
    const broker = await openRabbitmq(t, service('rabbitmq'), 'native');
    const options = (settings: object): Options => ({
      database: database.url,
      transports: { guests: { ...broker.entry(), auth: { mode: 'none' } } },
      settings: { ...settings },
    });
    const { change, conductor } = await start(t, options({ models: reads('*').models }));
    const { kind, ...entry } = broker.entry();
    const client = await connectClient(t, { kind: String(kind), ...entry }, { sender: 'api' });
    const list = () =>
      client.call('model_list', { model: 'instance', filters: { name: fleet.instances[0] ?? '' } });
    await t.throwsAsync(list(), { message: /not granted model_list/ });

    const publishing = publishAll(broker, fleet);
    t.like(await change(options(reads('*'))), { changed: ['services'], needRestart: [] });
    await t.notThrowsAsync(list());
    t.like(await change(options(reads(['id']))), { changed: ['services'], needRestart: [] });
    await t.throwsAsync(list(), { message: /name/ });
    await change(options({}));
    await t.throwsAsync(list(), { message: /not granted model_list/ });
    await publishing;
    await fleet.arrives(database, conductor);
    const reasons = await database.query('SELECT DISTINCT reason FROM dead_letters');
    t.deepEqual(reasons, [{ reason: 'forbidden' }]);
  },
);

async function publishAll(broker: TestBroker, fleet: Fleet): Promise<void> {
  for (let round = 0; round < 20; round += 1) await broker.publish(fleet.heartbeats(100, broker.form));
}

/** The users of the broker, and how to make them. */
const signIns: readonly {
  readonly label: string;
  readonly service: 'rabbitmq' | 'mosquitto' | 'nats';
  open(t: ExecutionContext): Promise<TestBroker>;
  /** Changes the credentials. */
  other(broker: TestBroker): Promise<Record<string, unknown>>;
}[] = [
  {
    label: 'AMQP 0-9-1',
    service: 'rabbitmq',
    open: (t) => openRabbitmq(t, service('rabbitmq'), 'oslo'),
    other: (broker) => anotherUser(String(broker.entry().url)),
  },
  {
    label: 'NATS',
    service: 'nats',
    open: () => openNats(service('nats')),
    other: async () => ({ user: 'anybody', password: 'anything' }),
  },
  {
    label: 'MQTT with a session that ends at a stop',
    service: 'mosquitto',
    open: async () => openMosquitto(service('mosquitto')),
    other: async () => ({ keepSession: false, user: 'anybody', password: 'anything' }),
  },
];

/** A user of RabbitMQ that may do all in this virtual host. */
async function anotherUser(url: string): Promise<Record<string, unknown>> {
  const broker = service('rabbitmq');
  const [user, password] = [`user-${randomUUID()}`, `password-${randomUUID()}`];
  await broker.request('PUT', `/users/${user}`, { password, tags: '' });
  const all = { configure: '.*', write: '.*', read: '.*' };
  await broker.request('PUT', `/permissions${new URL(url).pathname}/${user}`, all);
  return { user, password };
}

for (const { label, service: name, open, other } of signIns) {
  const signInTest = needs(test, name, 'postgres');
  signInTest(
    `${label}: changed credentials make a new connection at once, and no message is lost`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      const fleet = new Fleet(50);
      await fleet.register(database);
      const broker = await open(t);
      const changed = await other(broker);
      const { keepSession } = changed;
      const entry = { ...broker.entry(), ...(keepSession !== undefined && { keepSession }) };
      const { change, conductor } = await start(t, { database: database.url, transports: { guests: entry } });
      const publishing = publishAll(broker, fleet);
      await fleet.reaches(0.05, database, conductor);
      const line = await change({ database: database.url, transports: { guests: { ...entry, ...changed } } });
      const changedKeys = ['transports.guests.user', 'transports.guests.password'];
      t.like(line, { changed: changedKeys, needRestart: [] });
      await conductor.log.line('consuming', 2);
      await publishing;
      await fleet.arrives(database, conductor);
      await fleet.assertArrived(t, database);
      t.deepEqual(conductor.log.lines('not connected'), []);
    },
  );
}

needs(test, 'postgres')(
  'a changed password of the database is used by all connections, at once',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const options = { transports: { dead }, reachable: 0 };
    const { change, conductor } = await start(t, { ...options, database: database.url });
    await conductor.log.line('not connected');
    /** The processes of the server, and the names of those that they work for. */
    const connections = () =>
      database.query<{ name: string; pid: number }>(
        `SELECT application_name AS name, pid FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'conductor test%'`,
      );
    const jobsRun = async () => (await connections()).filter(({ name }) => name.endsWith('jobs')).length >= 2;
    await waitFor(jobsRun, { what: 'the jobs to run', process: conductor, timeout: 30_000 });
    const before = (await connections()).map(({ pid }) => pid);
    const url = new URL(database.url);
    url.password = 'a-new-password';
    const line = await change({ ...options, database: url.href });
    t.deepEqual([line.changed, line.needRestart], [['database.url'], []]);
    const areNew = async () =>
      (await jobsRun()) && (await connections()).every(({ pid }) => !before.includes(pid));
    await waitFor(areNew, { what: 'all connections to be new', process: conductor, timeout: 30_000 });
    t.false(conductor.output().includes('a-new-password'));
  },
);

needs(test, 'postgres')(
  'the level of the log changes for all lines, and other keys are named as in need of a restart',
  async (t) => {
    const { url: database } = await createDatabase(t, { migrated: true });
    const { change, conductor } = await start(t, { database, transports: { dead }, reachable: 0 });
    await conductor.log.line('not connected');
    const attempts = () =>
      conductor.log.all().filter(({ level, transport }) => level === 'debug' && transport);
    t.deepEqual(attempts(), []);
    const other = { kind: 'nats', url: 'nats://127.0.0.1:1' };
    const line = await change({
      database,
      transports: { dead: { ...dead, queue: 'another' }, other },
      settings: { log: { level: 'debug' }, maxInFlight: 100, workers: { threads: 3 } },
    });
    t.deepEqual(line.changed, ['log.level']);
    const restart = [line.needRestart].flat().toSorted();
    t.deepEqual(restart, ['maxInFlight', 'transports.dead.queue', 'transports.other', 'workers.threads']);
    await waitFor(() => attempts().length > 0, { what: 'a line of the level debug', process: conductor });
    const again = await change({ database, transports: { dead } });
    t.deepEqual([again.changed, again.needRestart], [['log.level'], []]);
  },
);

for (const [what, text, error] of [
  ['is not YAML', () => 'workers: {', /is not YAML/],
  [
    'names a column that does not exist',
    (options: Options) => configurationOf({ ...options, settings: reads({ except: ['encrypted_kye'] }) }),
    /encrypted_kye/,
  ],
  [
    'names a certificate that does not exist',
    (options: Options) =>
      configurationOf({ ...options, transports: { dead: { ...dead, tls: { ca: '/no/such/ca.pem' } } } }),
    /^transports\.dead\.tls\.ca: cannot read the file: ENOENT/,
  ],
  [
    'has a password that the database refuses',
    ({ database }: Options) =>
      configurationOf({
        database: database.replace('//', '//no_such_user@').replace(/@[^@]*@/, '@'),
        transports: { dead },
      }),
    /no_such_user/,
  ],
] as const) {
  mosquittoTest(`a configuration that ${what} is one line, and the replica keeps its settings`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const fleet = new Fleet(10);
    await fleet.register(database);
    const broker = openMosquitto(service('mosquitto'));
    const transports = { guests: broker.entry(), dead };
    const options: Options = { database: database.url, transports, reachable: 1 };
    const { write, conductor } = await start(t, options);
    write(text({ ...options }));
    const line = await conductor.log.line(notRead);
    t.regex(String(line.error), error);
    t.deepEqual(conductor.log.lines(readAnew), []);
    await broker.publish(fleet.heartbeats(50, broker.form));
    await fleet.arrives(database, conductor);
    t.notThrows(() => process.kill(conductor.pid, 0), 'the replica is alive');
  });
}
