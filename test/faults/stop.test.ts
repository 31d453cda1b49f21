import test, { type ExecutionContext } from 'ava';
import { type ConductorProcess, spawnConductor, startConductorProcess } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { brokerKinds } from './broker-kinds.ts';
import type { TestBroker } from './brokers.ts';
import { slowDown } from './databases.ts';
import { Fleet } from './fleet.ts';
import { assertStopsInTime } from './stopping.ts';

const messages = 8000;
const later = 2000;
const instances = 500;
/** Milliseconds that a conductor has to stop. */
const deadline = 3000;

for (const { label, service, open } of brokerKinds) {
  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: a conductor that is asked to stop finishes its messages, and the next one applies the rest`,
    async (t) => {
      const { fleet, broker, database } = await prepare(t, await open(t));
      await broker.keep();
      await broker.publish(fleet.heartbeats(messages, broker.form));
      const transports = { guests: broker.entry() };
      const first = spawnConductor(t, { database: database.url, transports });
      await fleet.reaches(0.2, database, first);
      const stopped = await stop(t, first);
      t.is(Number(stopped.released), 0, 'it had the time to finish');

      const second = await startConductorProcess(t, { database: database.url, transports });
      await broker.publish(fleet.heartbeats(later, broker.form));
      await fleet.arrives(database, second);
      t.log(stopped, await stop(t, second));
      await fleet.assertArrived(t, database);
      t.true(await broker.isEmptied());
    },
  );

  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: a conductor that is asked to stop while the database does not answer releases its messages in time`,
    async (t) => {
      const { fleet, broker, database } = await prepare(t, await open(t));
      const proxy = await startProxy(Number(new URL(database.url).port));
      t.teardown(proxy.stop);
      await broker.keep();
      await broker.publish(fleet.heartbeats(messages, broker.form));
      const options = { database: proxy.url(database.url), transports: { guests: broker.entry() } };
      const first = spawnConductor(t, { ...options, settings: { shutdown: { deadline } } });
      await fleet.reaches(0.2, database, first);
      proxy.halfOpen();
      const begin = performance.now();
      const stopped = await stop(t, first);
      const took = performance.now() - begin;
      t.true(took < deadline, `it took ${took} ms: whoever stops it kills it at the deadline`);
      t.true(Number(stopped.released) > 0);

      await proxy.restore();
      const second = spawnConductor(t, options);
      await fleet.arrives(database, second);
      t.log(took, stopped, await stop(t, second));
      await fleet.assertArrived(t, database);
      t.true(await broker.isEmptied());
    },
  );

  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: two replicas share the load, and a replica that is stopped leaves no message unsettled`,
    async (t) => {
      const { fleet, broker, database } = await prepare(t, await open(t));
      const start = (replica: string) =>
        startConductorProcess(t, {
          database: database.url,
          transports: { guests: broker.entry({ replica }) },
          settings: { replica, maxInFlight: 1000 },
        });
      const [one, other] = await Promise.all([start('one'), start('other')]);
      const publishing = broker.publish(fleet.heartbeats(messages, broker.form));
      await fleet.reaches(0.2, database, one);
      const stopped = await stop(t, one);
      await publishing;
      await broker.publish(fleet.heartbeats(later, broker.form));
      await fleet.arrives(database, other);
      t.true(await broker.isEmptied('one'));

      const rest = await stop(t, other);
      t.log(stopped, rest);
      t.true(Number(stopped.applied) > 0, 'the one had its share');
      t.true(Number(rest.applied) > later, 'the other had its share');
      await fleet.assertArrived(t, database);
      t.true(await broker.isEmptied('other'));
    },
  );
}

/** A fleet and a database in which there is time for a middle. */
async function prepare(
  t: ExecutionContext,
  broker: TestBroker,
): Promise<{ fleet: Fleet; broker: TestBroker; database: TestDatabase }> {
  const database = await createDatabase(t, { migrated: true });
  const fleet = new Fleet(instances);
  await fleet.register(database);
  await slowDown(database);
  return { fleet, broker, database };
}

/** Within the deadline, in good order, with an account of everything; returns that. */
async function stop(t: ExecutionContext, conductor: ConductorProcess) {
  conductor.signal('SIGTERM');
  t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
  const account = await conductor.log.line('stopped');
  const { received, applied, stale, duplicate, deferred, released } = account;
  t.is(account.dead, 0);
  // Deferred: another batch held its row for long, as the slow database has it.
  const outcomes = [applied, stale, duplicate, deferred, released].map(Number);
  t.is(
    outcomes.reduce((sum, count) => sum + count, 0),
    Number(received),
  );
  return account;
}

needs(test.serial, 'postgres')(
  'a conductor that is asked to stop while a broker accepts connections but stays silent ends in time',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const proxy = await startProxy(Number(new URL(database.url).port));
    t.teardown(proxy.stop);
    proxy.halfOpen();
    const url = `127.0.0.1:${proxy.port}`;
    const transports = {
      rabbit: { kind: 'amqp091', url: `amqp://${url}`, connectTimeout: 30_000 },
      edge: { kind: 'mqtt', url: `mqtt://${url}`, connectTimeout: 30_000 },
      stream: { kind: 'nats', url: `nats://${url}`, connectTimeout: 30_000 },
    };
    const conductor = spawnConductor(t, {
      database: database.url,
      transports,
      settings: { shutdown: { deadline } },
    });
    await waitFor(() => proxy.connections === 3, {
      what: 'the brokers to be tried',
      process: conductor,
      timeout: 30_000,
    });
    await assertStopsInTime(t, conductor, deadline);
  },
);
