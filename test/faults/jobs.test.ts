import { randomUUID } from 'node:crypto';
import ava, { type ExecutionContext } from 'ava';
import mqtt from 'mqtt';
import { migrate } from '../../src/database/migrate.ts';
import { runAgain, waits } from '../jobs/support.ts';
import { type ConductorHere, startConductorHere } from '../support/conductor.ts';
import { createDatabase, replicaRole, type TestDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { lockWith } from './databases.ts';

/** What happens to pg-boss never reaches the messages. */

const test = needs(ava.serial, 'mosquitto', 'postgres');

/** Milliseconds for which heartbeats are counted. */
const span = 2000;
/** Heartbeats that are under way at once. */
const window = 20;

interface Fault {
  readonly what: string;
  /** Makes the fault. Resolves with what ends it. */
  readonly begin: (t: ExecutionContext, database: TestDatabase) => Promise<() => Promise<unknown>>;
  /** What the log says of it. */
  readonly because: RegExp;
}

const faults: readonly Fault[] = [
  {
    what: 'the tables of pg-boss are locked',
    begin: async (t, database) => {
      const lock = await lockWith(
        t,
        database,
        'LOCK TABLE conductor_jobs.job, conductor_jobs.queue, conductor_jobs.version IN ACCESS EXCLUSIVE MODE',
      );
      return () => lock.release();
    },
    // The last one: each connection of the jobs waits for a lock already, so that the next statement gets none.
    because: /lock timeout|read timeout|timeout exceeded when trying to connect/,
  },
  {
    what: 'the backends of pg-boss are terminated again and again',
    begin: async (_, database) => {
      const timer = setInterval(() => {
        database
          .query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'conductor % jobs' AND datname = current_database()",
          )
          .catch(() => {});
      }, 20);
      return async () => clearInterval(timer);
    },
    // The client library has words of its own for a connection that was terminated between two queries.
    because: /terminat|connection error/,
  },
  {
    what: 'the schema of pg-boss is dropped',
    begin: async (_, database) => {
      await database.query('DROP SCHEMA conductor_jobs CASCADE');
      return () => migrateAgain(database);
    },
    because: /conductor_jobs.*run conductor migrate/,
  },
  {
    what: 'a table of pg-boss is dropped',
    begin: async (_, database) => {
      await database.query('DROP TABLE conductor_jobs.job CASCADE');
      return async () => {
        await database.query('DROP SCHEMA conductor_jobs CASCADE');
        await migrateAgain(database);
      };
    },
    because: /conductor_jobs.*run conductor migrate/,
  },
];

/** What an operator runs after such a loss. */
function migrateAgain({ url }: TestDatabase): Promise<unknown> {
  const options = { dryRun: false, rollback: false, removeDuplicates: false, log: () => {} };
  return migrate({ url, grantTo: replicaRole, ...options });
}

for (const { what, begin, because } of faults) {
  test(`while ${what}, heartbeats flow at the same rate, and the jobs recover after it`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'i1', 'i2');
    const { conductor, heartbeats } = await start(t, database);
    const before = await heartbeats();
    const end = await begin(t, database);
    const line = await conductor.log.line(waits);
    t.regex(String(line.because), because);
    // Other work of the machine slows a measurement down, and nothing makes one faster.
    let meanwhile = 0;
    for (let tries = 0; tries < 5 && meanwhile <= before / 2; tries += 1)
      meanwhile = Math.max(meanwhile, await heartbeats());
    t.log(`heartbeats a second: ${before} before, ${meanwhile} meanwhile`);
    t.true(meanwhile > before / 2, `${before} before, ${meanwhile} meanwhile`);
    t.is(conductor.heldBecause, undefined);
    // Between two terminations a connection may live long enough for one answer.
    await waitFor(() => because.test(conductor.jobs.problem ?? ''), { what: 'the problem to be told' });
    await end();
    await conductor.log.line(runAgain);
    await waitFor(() => conductor.jobs.problem === undefined, { what: 'the problem to be over' });
    // A reason is a line, not each try.
    t.true(conductor.log.lines(waits).length <= 8);
    await defer(database);
    await waitFor(async () => (await database.query('SELECT FROM deferred')).length === 0, {
      what: 'the deferred message to be applied',
      timeout: 30_000,
    });
    // The round ends a moment after its message is applied.
    await waitFor(() => conductor.jobs.lastSuccess('retry-deferred/edge'), { what: 'the round to succeed' });
    t.pass();
  });
}

async function start(
  t: ExecutionContext,
  database: TestDatabase,
): Promise<{ conductor: ConductorHere; heartbeats: () => Promise<number> }> {
  const { url } = service('mosquitto');
  const name = `jobs-${randomUUID()}`;
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: { edge: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name } },
    settings: { database: { lockTimeout: 200 } },
  });
  const client = await mqtt.connectAsync(url);
  t.teardown(() => client.endAsync());
  let sent = 0;
  const applied = () => conductor.counters.get('edge')?.outcomes.applied ?? 0;
  /** Heartbeats a second. */
  const heartbeats = async () => {
    const begin = performance.now();
    const first = applied();
    while (performance.now() - begin < span) {
      const bodies = Array.from({ length: window }, () => {
        sent += 1;
        return `{"method":"heartbeat","args":{"instance_id":"i1","sent":${sent},"payload":{"service_status":"running"}}}`;
      });
      const batch = applied();
      for (const body of bodies) await client.publishAsync(`${name}/i1`, body, { qos: 1 });
      await waitFor(() => applied() > batch, { what: 'a heartbeat to be applied', interval: 2 });
    }
    return Math.round(((applied() - first) * 1000) / (performance.now() - begin));
  };
  return { conductor, heartbeats };
}

/** Of an instance that sends nothing: on a busy machine a heartbeat of the other one may be deferred by itself. */
async function defer(database: TestDatabase): Promise<void> {
  await database.query(
    `INSERT INTO deferred (method, key, instance_id, transport, args, sent, reason, next_attempt_at)
     VALUES ('heartbeat', 'i2', 'i2', 'edge', '{"instance_id":"i2","payload":{"service_status":"running"}}', 1e9, 'unknown', now())`,
  );
}
