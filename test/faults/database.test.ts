import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { type ConductorProcess, spawnConductor } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { brokerKinds } from './broker-kinds.ts';
import type { TestBroker } from './brokers.ts';
import { demote, makeReadOnly, makeWritable, promote, slowDown, startOwnPostgres } from './databases.ts';
import { Fleet } from './fleet.ts';

const messages = 8000;
/** Published while the database is away. */
const later = 1000;
const instances = 500;
/** Milliseconds that Postgres is stopped: far longer than the brokers wait for a sign of life, see `keepalive`. */
const outage = 10_000;
/** Seconds between two signs of life to the broker. */
const keepalive = 1;
/** Different reasons that an outage gives at most: a server that stops has several. */
const reasons = 8;

for (const { label, service, open } of brokerKinds) {
  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: while Postgres is stopped for ${outage / 1000} s messages are held and the connection to the broker stays, and nothing is lost`,
    async (t) => {
      const { postgres, database } = await startOwnPostgres(t);
      const { fleet, broker, conductor } = await startDraining(t, await open(t), database);
      await postgres.stop();
      const over = sleep(outage);
      await conductor.log.line(held);
      await broker.publish(fleet.heartbeats(later, broker.form));
      await over;
      staysConnected(t, conductor);
      // A line a reason, not one a try.
      t.true(conductor.log.lines(held).length <= reasons, conductor.output());
      await postgres.restart();
      await finishes(t, { fleet, broker, conductor, database });
    },
  );

  needs(
    test.serial,
    service,
    'postgres',
  )(`${label}: no acknowledged message is lost when Postgres crashes`, async (t) => {
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
  )(`${label}: no message is lost in a failover to a read-only standby and back`, async (t) => {
    const { postgres, database } = await startOwnPostgres(t);
    const { fleet, broker, conductor } = await startDraining(t, await open(t), database);
    await demote(postgres, database);
    await conductor.log.line(held);
    await broker.publish(fleet.heartbeats(later, broker.form));
    await saysReadOnly(t, conductor);
    await promote(database);
    await finishes(t, { fleet, broker, conductor, database });
  });

  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: messages are held while the database is read-only, and flow again once it can be written`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      const { fleet, broker, conductor } = await startDraining(t, await open(t), database);
      await makeReadOnly(database);
      await saysReadOnly(t, conductor);
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
  const transports = { guests: broker.entry({ keepalive }) };
  const conductor = spawnConductor(t, { database: database.url, transports });
  await fleet.reaches(0.2, database, conductor);
  return { fleet, broker, conductor };
}

/** Its connection to the broker is still the first that it made. */
function staysConnected(t: ExecutionContext, { log }: ConductorProcess): void {
  t.is(log.lines('consuming').length, 1);
  t.deepEqual(log.lines('not connected'), []);
}

/** It tells what is in its way. A server that went away on the way there is another reason. */
async function saysReadOnly(t: ExecutionContext, { log, ...process }: ConductorProcess): Promise<void> {
  const because = () => log.lines(held).filter((line) => /read-only transaction/.test(String(line.because)));
  await waitFor(() => because().length > 0, { what: 'a try on a read-only database', process });
  t.pass();
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
  t.like(await conductor.log.line('stopped'), { dead: 0, released: 0 });
}
