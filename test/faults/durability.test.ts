import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import ava, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { pino } from 'pino';
import type { Health } from '../../src/admin/health.ts';
import { DurabilityWatch } from '../../src/conductor/durability.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { durabilityOf, missingStandby, readServerFacts } from '../../src/database/durability.ts';
import { type Query, queryOn } from '../../src/database/query.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { startOwnPostgres } from '../faults/databases.ts';
import { configurationOf, type LogLine, spawnConductor, startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

const postgresTest = needs(ava, 'postgres');
const wholeTest = needs(ava, 'nats', 'mosquitto', 'postgres');

const queryOf = ({ query }: TestDatabase): Query => query;

function stream() {
  const id = randomUUID();
  return { kind: 'nats', url: service('nats').url, stream: id, subject: `test.${id}.*` };
}

function edge() {
  const id = `durability-${randomUUID()}`;
  return { kind: 'mqtt', url: service('mosquitto').url, topic: `${id}/+`, group: id, clientId: id };
}

wholeTest('the log and /health tell what a confirmed message survives, and why no more', async (t) => {
  const { database } = await startOwnPostgres(t, { settings: { fsync: 'on' } });
  const port = await freePort();
  const { log } = await startConductorHere(t, {
    database: database.url,
    transports: { cloud: { ...stream(), durability: 'failover' }, edge: edge() },
    settings: { admin: { port } },
  });
  const line = await log.line('durability of confirmed messages');
  t.like(line, { level: 'info', survives: 'nothing', database: 'power', 'transports.edge': 'nothing' });
  t.is(line.unknown, 'transports.edge');
  t.regex(
    JSON.stringify(line.shortfalls),
    /transports\.cloud: the stream .* has one replica \(run three servers/,
  );
  t.regex(JSON.stringify(line.shortfalls), /transports\.edge: MQTT does not tell .* durability\)/);
  t.regex(
    JSON.stringify(line.shortfalls),
    /database: Postgres waits for no standby.*synchronous_standby_names/,
  );
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  const { durability }: Health = JSON.parse(await response.text());
  t.like(durability, { required: 'nothing', survives: 'nothing', database: { survives: 'power' } });
  t.is(durability.transports.edge?.survives, 'nothing');
  t.is(durability.transports.edge?.shortfalls.length, 1);
  // The word of the operator counts for what is unknown only, and the one replica is known.
  t.is(
    durability.transports.cloud?.shortfalls.some(({ isUnknown }) => isUnknown === true),
    false,
  );
});

/** Starts a replica that has to refuse. Returns its exit code and its last line. */
async function refusal(t: ExecutionContext, options: Parameters<typeof spawnConductor>[1]) {
  const child = spawnConductor(t, options);
  const { code } = await child.exited;
  return { code, line: child.stderr().trim().split('\n').at(-1) ?? '' };
}

postgresTest(
  'a replica does not start on a database that offers less than is required, and one line names each shortfall',
  async (t) => {
    const { database } = await startOwnPostgres(t, { settings: { fsync: 'off', full_page_writes: 'off' } });
    const found = await refusal(t, {
      database: database.url,
      transports: { dead: { kind: 'amqp091', url: 'amqp://127.0.0.1:1' } },
      settings: { require: 'power', database: { synchronousCommit: 'off' } },
    });
    t.is(found.code, 2);
    t.regex(
      found.line,
      /database: require is power, but a confirmed message survives nothing: database\.synchronousCommit is off.*\(set database\.synchronousCommit: on\); fsync of Postgres is off \(ALTER SYSTEM SET fsync = on\); full_page_writes of Postgres is off \(ALTER SYSTEM/,
    );
    t.notRegex(found.line, /standby/);
  },
);

wholeTest(
  'a replica does not start on a broker that offers less than is required, unless the operator knows better',
  async (t) => {
    const { url: database } = await createDatabase(t, { migrated: true });
    const broker = edge();
    const settings = { require: 'process' };
    const found = await refusal(t, { database, transports: { edge: broker }, settings });
    t.is(found.code, 2);
    t.regex(
      found.line,
      /transports\.edge: require is process, but a confirmed message survives nothing: MQTT does not tell .*\(find out, and say so with durability\)/,
    );
    const transports = { edge: { ...broker, durability: 'process' } };
    await t.notThrowsAsync(startConductorHere(t, { database, transports, settings }));
  },
);

postgresTest('Postgres tells what each of its settings costs', async (t) => {
  const { database } = await startOwnPostgres(t, { settings: { fsync: 'on' } });
  const query = queryOf(database);
  const facts = await readServerFacts(query);
  t.deepEqual(facts, { fsync: true, fullPageWrites: true, standbyNames: '', standbys: 0, unlogged: [] });
  const reasons = async (synchronousCommit = 'on') =>
    durabilityOf(await readServerFacts(query), synchronousCommit).map(
      ({ survives, because }) => `${survives}: ${because}`,
    );
  const alone =
    'power: Postgres waits for no standby, and does not tell whether its disk is on several machines';
  t.deepEqual(await reasons(), [alone]);
  await database.query('ALTER TABLE dead_letters SET UNLOGGED');
  t.deepEqual(await reasons(), [
    'nothing: the table dead_letters is unlogged, so a crash of Postgres empties it',
    alone,
  ]);
  await database.query('ALTER TABLE dead_letters SET LOGGED');
  await database.query("ALTER SYSTEM SET synchronous_standby_names = 'one'");
  await database.query('ALTER SYSTEM SET full_page_writes = off');
  await database.query('SELECT pg_reload_conf()');
  await waitFor(async () => (await readServerFacts(query)).standbyNames === 'one', { what: 'the settings' });
  t.deepEqual(await reasons(), ['process: full_page_writes of Postgres is off']);
  t.deepEqual(await reasons('local'), [
    'process: full_page_writes of Postgres is off',
    'power: database.synchronousCommit is local, so a commit waits for no standby',
  ]);
  const withoutStandby = await readServerFacts(query);
  t.regex(
    missingStandby(withoutStandby, 'on') ?? '',
    /^synchronous_standby_names is one, and no such standby/,
  );
  t.is(missingStandby(withoutStandby, 'local'), undefined);
  t.is(missingStandby({ ...withoutStandby, standbys: undefined }, 'on'), undefined);
});

postgresTest('a user who may not see the standbys gets no warning about them', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const role = `guest_${randomUUID().replaceAll('-', '')}`;
  await database.query(`CREATE ROLE ${role}`);
  const client = new pg.Client({ connectionString: database.url });
  t.teardown(() => database.query(`DROP ROLE ${role}`));
  t.teardown(() => client.end());
  await client.connect();
  await client.query(`SET ROLE ${role}`);
  t.is((await readServerFacts(queryOn(client))).standbys, undefined);
});

postgresTest(
  'a setting of Postgres that changes later is one line, and an error if it is less than what is required',
  async (t) => {
    const { database } = await startOwnPostgres(t, { settings: { fsync: 'on' } });
    mock.timers.enable({ apis: ['setInterval'] });
    t.teardown(() => mock.timers.reset());
    const lines: LogLine[] = [];
    const logger = pino({ base: null }, { write: (text: string) => void lines.push(JSON.parse(text)) });
    const text = configurationOf({
      database: database.url,
      transports: { edge: { kind: 'mqtt', url: 'mqtt://h' } },
      settings: { require: 'power' },
    });
    const watch = new DurabilityWatch(parseConfig(text, 'test', {}, transportKinds), logger);
    t.teardown(async () => watch.stop());
    let looks = 0;
    const look = async () => {
      const before = looks;
      mock.timers.tick(60_000);
      await waitFor(() => looks > before, { what: 'the look at the database' });
    };
    await watch.admitDatabase(queryOf(database));
    watch.start({
      async read(work) {
        const result = await work(queryOf(database));
        looks += 1;
        return result;
      },
    });
    t.is(lines.length, 1);
    await look();
    t.is(lines.length, 1);
    await database.query('ALTER SYSTEM SET full_page_writes = off');
    await database.query('SELECT pg_reload_conf()');
    await waitFor(async () => !(await readServerFacts(queryOf(database))).fullPageWrites, {
      what: 'the setting',
    });
    await look();
    await look();
    t.is(lines.length, 2);
    t.like(lines[1], { level: 50, msg: 'durability of confirmed messages', database: 'process' });
    t.regex(String(lines[1]?.error), /^database: require is power, but .* only process: full_page_writes/);
  },
);
