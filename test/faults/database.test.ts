import test, { type ExecutionContext } from 'ava';
import { type ConductorProcess, spawnConductor } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { brokerKinds, type TestBroker } from './brokers.ts';
import { makeReadOnly, makeWritable, slowDown, startOwnPostgres } from './databases.ts';
import { Fleet } from './fleet.ts';

const messages = 8000;
/** Published while the database is away. */
const later = 1000;
const instances = 500;
/** Tries of a conductor that holds messages: so many take longer than the broker waits for a sign of life, see below. */
const tries = 10;

for (const { label, service, open } of brokerKinds) {
  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: while Postgres is stopped messages are held and the connection to the broker stays, and nothing is lost`,
    async (t) => {
      const { postgres, database } = await startOwnPostgres(t);
      const { fleet, broker, conductor } = await startDraining(t, await open(t), database);
      await postgres.stop();
      await holdsOn(t, conductor);
      await broker.publish(fleet.heartbeats(later, broker.form));
      await postgres.restart();
      await finishes(t, { fleet, broker, conductor, database });
    },
  );

  needs(
    test.serial,
    service,
    'postgres',
  )(`${label}: a Postgres that crashes loses nothing of what was acknowledged`, async (t) => {
    const { postgres, database } = await startOwnPostgres(t);
    const { fleet, broker, conductor } = await startDraining(t, await open(t), database);
    await postgres.kill();
    await conductor.log.line(held);
    await broker.publish(fleet.heartbeats(later, broker.form));
    await postgres.restart();
    await finishes(t, { fleet, broker, conductor, database });
  });

  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: while the database is read-only messages are held, and flow again once it can be written`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      const { fleet, broker, conductor } = await startDraining(t, await open(t), database);
      await makeReadOnly(database);
      const { because } = await conductor.log.line(held, tries);
      t.regex(String(because), /read-only transaction/);
      await makeWritable(database);
      await finishes(t, { fleet, broker, conductor, database });
    },
  );
}

const held = 'messages are held, nothing is lost';

interface Draining {
  readonly fleet: Fleet;
  readonly broker: TestBroker;
  readonly conductor: ConductorProcess;
}

/** A conductor in the middle of its work. */
async function startDraining(
  t: ExecutionContext,
  broker: TestBroker,
  database: TestDatabase,
): Promise<Draining> {
  const fleet = new Fleet(instances);
  await fleet.register(database);
  await slowDown(database);
  await broker.keep();
  await broker.publish(fleet.heartbeats(messages, broker.form));
  const transports = { guests: broker.entry({ keepalive: 1 }) };
  const conductor = spawnConductor(t, { database: database.url, transports });
  await fleet.reaches(0.2, database, conductor);
  return { fleet, broker, conductor };
}

/** The conductor tries again and again, and its connection to the broker is the first that it made. */
async function holdsOn(t: ExecutionContext, { log }: ConductorProcess): Promise<void> {
  await log.line(held, tries);
  t.is(log.lines('consuming').length, 1);
  t.deepEqual(log.lines('not connected'), []);
}

/** It goes on by itself, and ends with nothing lost and nothing left. */
async function finishes(
  t: ExecutionContext,
  { fleet, broker, conductor, database }: Draining & { database: TestDatabase },
): Promise<void> {
  await conductor.log.line('messages flow again');
  await fleet.arrives(database, conductor);
  conductor.signal('SIGTERM');
  t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
  await fleet.assertArrived(t, database);
  t.true(await broker.isEmptied());
  t.like(await conductor.log.line('stopped'), { deferred: 0, dead: 0, released: 0 });
}
