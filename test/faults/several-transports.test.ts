import test, { type ExecutionContext } from 'ava';
import { startConductorHere, startConductorProcess } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { freePort } from '../support/ports.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { brokerKinds } from './broker-kinds.ts';
import { openMosquitto, openRabbitmq } from './brokers.ts';
import { Fleet } from './fleet.ts';

/** Several transports in one conductor. */

const instances = 200;

async function prepare(t: ExecutionContext): Promise<{ fleet: Fleet; database: TestDatabase }> {
  const database = await createDatabase(t, { migrated: true });
  const fleet = new Fleet(instances);
  await fleet.register(database);
  return { fleet, database };
}

needs(
  test.serial,
  'rabbitmq',
  'postgres',
)('a broker that is away at the start does not stop the messages of the other', async (t) => {
  const { fleet, database } = await prepare(t);
  const rabbitmq = await openRabbitmq(t, service('rabbitmq'), 'oslo');
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: {
      absent: { kind: 'mqtt', url: `mqtt://127.0.0.1:${await freePort()}` },
      rabbit: rabbitmq.entry(),
    },
    reachable: 1,
  });
  await rabbitmq.publish(fleet.heartbeats(1000, rabbitmq.form));
  await fleet.arrives(database);
  await conductor.log.line('not connected');
  const { absent, rabbit } = conductor.states();
  t.is(rabbit?.state, 'consuming');
  t.not(absent?.state, 'consuming');
  t.like(conductor.counters.get('rabbit'), { received: 1000, unexplained: 0 });
  t.is(conductor.counters.get('absent')?.received, 0);
  await conductor.stop();
  t.like(conductor.states(), { absent: { state: 'stopped' }, rabbit: { state: 'stopped' } });
  await fleet.assertArrived(t, database);
});

needs(
  test.serial,
  'rabbitmq',
  'mosquitto',
  'postgres',
)('a broker that dies does not affect the other, and is used again once it is back', async (t) => {
  const { fleet, database } = await prepare(t);
  const rabbitmq = await openRabbitmq(t, service('rabbitmq'), 'oslo');
  const server = await startMosquitto();
  t.teardown(server.kill);
  const mosquitto = openMosquitto(server);
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: { edge: mosquitto.entry(), rabbit: rabbitmq.entry() },
  });
  await mosquitto.publish(fleet.heartbeats(1000, mosquitto.form));
  await fleet.arrives(database);
  await server.kill();
  await conductor.log.line('not connected');
  t.not(conductor.states().edge?.state, 'consuming');
  t.is(conductor.states().rabbit?.state, 'consuming');
  await rabbitmq.publish(fleet.heartbeats(1000, rabbitmq.form));
  await fleet.arrives(database);
  await server.restart();
  await waitFor(() => conductor.states().edge?.state === 'consuming', {
    what: 'the edge to be consumed again',
  });
  await mosquitto.publish(fleet.heartbeats(1000, mosquitto.form));
  await fleet.arrives(database);
  await fleet.assertArrived(t, database);
  const ofRabbit = conductor.log.lines('not connected').filter(({ transport }) => transport === 'rabbit');
  t.deepEqual(ofRabbit, []);
  t.like(conductor.counters.get('rabbit'), { received: 1000, unexplained: 0 });
});

// Every broker that guests may move to from RabbitMQ.
for (const { label, service: name, open } of brokerKinds.filter(({ service }) => service !== 'rabbitmq')) {
  needs(
    test.serial,
    'rabbitmq',
    name,
    'postgres',
  )(
    `guests move from RabbitMQ to ${label} while a conductor consumes from both: no message is lost, no process restarts`,
    async (t) => {
      const { fleet, database } = await prepare(t);
      const before = await openRabbitmq(t, service('rabbitmq'), 'native');
      const after = await open(t);
      const conductor = await startConductorProcess(t, {
        database: database.url,
        transports: { before: before.entry(), after: after.entry() },
      });
      await before.publish(fleet.heartbeats(4000, before.form));
      // One half has moved already, the other has not.
      for (let step = 0; step < 5; step += 1) {
        const [stayed, moved] = [fleet.heartbeats(400, before.form), fleet.heartbeats(400, after.form)];
        await Promise.all([before.publish(stayed), after.publish(moved)]);
      }
      await after.publish(fleet.heartbeats(4000, after.form));
      await fleet.arrives(database, conductor);
      t.deepEqual(conductor.log.lines('not connected'), []);
      conductor.signal('SIGTERM');
      t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
      await fleet.assertArrived(t, database);
      const accounts = [await conductor.log.line('stopped'), await conductor.log.line('stopped', 2)];
      for (const account of accounts) {
        t.like(account, { received: 6000, superseded: 0, dead: 0, released: 0 });
        const { applied, stale, duplicate } = account;
        t.is(Number(applied) + Number(stale) + Number(duplicate), 6000, JSON.stringify(account));
      }
      t.true(await before.isEmptied());
      t.true(await after.isEmptied());
    },
  );
}
