import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { type ConductorHere, spawnConductor, startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startProxy, type TcpProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { openRabbitmq } from './brokers.ts';
import { slowDown } from './databases.ts';
import { Fleet } from './fleet.ts';

const instances = 400;
const messages = 14_000;
/** Milliseconds over which a rate is taken. */
const span = 2000;
/** Milliseconds that a transaction may stand still: the default. */
const idleTimeout = 5000;

/**
 * Each statement takes a fifth of a second, and a batch is small: so time is spent on waiting, and the rate does not depend on
 * the machine.
 */
const pace = {
  workers: { threads: 1, concurrency: 2, maxBatch: 50 },
  maxInFlight: 200,
};

type Victim = ReturnType<typeof spawnConductor>;

for (const [what, strike, finish] of [
  [
    'is frozen in a transaction',
    (victim: Victim) => victim.signal('SIGSTOP'),
    // It runs again, finds its transaction gone and does its part of the rest.
    async (t: ExecutionContext, victim: Victim) => {
      victim.signal('SIGCONT');
      t.is(victim.log.lines('consuming').length, 1);
    },
  ],
  [
    'vanishes in a transaction, unnoticed by Postgres',
    (victim: Victim, proxy: TcpProxy) => {
      proxy.halfOpen();
      victim.signal('SIGKILL');
    },
    async (t: ExecutionContext, victim: Victim) => {
      t.is((await victim.exited).signal, 'SIGKILL');
    },
  ],
] as const) {
  needs(
    test.serial,
    'rabbitmq',
    'postgres',
  )(
    `while a replica ${what}, another is as fast as before within ${(idleTimeout + 1000) / 1000} s, and nothing is lost`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      const fleet = new Fleet(instances);
      await fleet.register(database);
      await slowDown(database);
      const proxy = await startProxy(service('postgres').port);
      t.teardown(proxy.stop);
      const broker = await openRabbitmq(t, service('rabbitmq'), 'native');
      await broker.keep();
      await broker.publish(fleet.heartbeats(messages, broker.form));
      const transports = { guests: broker.entry() };
      const survivor = await startConductorHere(t, { database: database.url, transports, settings: pace });
      const victim = spawnConductor(t, {
        database: proxy.url(database.url),
        transports,
        settings: { ...pace, replica: 'victim' },
      });
      await victim.log.line('consuming');
      const before = await rateOf(survivor);
      await busy(database);
      strike(victim, proxy);
      await waitFor(async () => (await stateOf(database)).includes('idle in transaction'), {
        what: 'a transaction to be left open',
      });
      await sleep(idleTimeout + 1000);
      const after = await rateOf(survivor);
      t.log({ before, after });
      t.true(after >= 0.8 * before, `${after} messages a second after ${before}`);
      t.false((await stateOf(database)).includes('idle in transaction'));
      await finish(t, victim);
      await fleet.arrives(database);
      await fleet.assertArrived(t, database);
      t.is(survivor.counters.get('guests')?.outcomes.dead, 0);
    },
  );
}

/** Messages that it has applied a second, from now on. */
async function rateOf(survivor: ConductorHere): Promise<number> {
  const applied = () => survivor.counters.get('guests')?.outcomes.applied ?? 0;
  const [begin, count] = [performance.now(), applied()];
  await sleep(span);
  return ((applied() - count) / (performance.now() - begin)) * 1000;
}

/** Waits until the victim's transactions have locked rows and go on for a while. */
async function busy(database: TestDatabase): Promise<void> {
  await waitFor(
    async () =>
      (
        await database.query(
          `SELECT FROM pg_stat_activity WHERE application_name = 'conductor victim' AND datname = current_database()
             AND wait_event = 'PgSleep'`,
        )
      ).length > 0,
    { what: 'the victim to be in the middle of a statement', interval: 2 },
  );
}

/** What the victim's connections do. */
async function stateOf(database: TestDatabase): Promise<unknown[]> {
  const rows = await database.query(
    "SELECT state FROM pg_stat_activity WHERE application_name = 'conductor victim' AND datname = current_database()",
  );
  return rows.map(({ state }) => state);
}
