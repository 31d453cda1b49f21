import type { ExecutionContext } from 'ava';
import test from 'ava';
import mqtt from 'mqtt';
import { type ConductorProcess, startConductorProcess } from '../support/conductor.ts';
import { createDatabase, replicaUrl, type TestDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { type MosquittoForm, openMosquitto } from './brokers.ts';
import { lockWith } from './databases.ts';
import { Fleet } from './fleet.ts';

const instances = 500;
const before = 1000;
/** Messages after the kill. The broker deals half of them, or more, to the session of the replica that is gone. */
const messages = 8000;
/** Milliseconds: time enough to publish, and the usual time. */
const late = 6000;
const after = 3000;

const patience = 30_000;

const took = 'took over the messages of a replica that is gone';
const leaves = 'a replica that was gone has its session again: the rest of its messages is left to it';

for (const version of ['5', '3.1.1'] as const) {
  needs(
    test.serial,
    'mosquitto',
    'postgres',
  )(
    `mqtt ${version}: a peer applies the messages of a replica that was killed and never comes back, and ends its session`,
    async (t) => {
      const { database, fleet, broker, start, hasSession } = await prepare(t, { version }, late);
      const [one, two] = await Promise.all([start('one'), start('two')]);
      await broker.publish(fleet.heartbeats(before, broker.form));
      await fleet.arrives(database);
      await one.kill();
      await broker.publish(fleet.heartbeats(messages, broker.form));
      t.deepEqual(two.log.lines(took), [], 'it was not adopted yet');
      const begin = performance.now();
      await fleet.arrives(database, two);
      const line = await two.log.line(took);
      t.log(Math.round(performance.now() - begin), line);
      t.is(line.replica, 'one');
      t.true(Number(line.messages) >= messages / 4, 'it had its share');
      t.false(await hasSession('one'));
      t.deepEqual(await registered(database), [{ replica: 'two', adopter: null }]);
      await fleet.assertArrived(t, database);
      t.true((await stop(t, two)) >= messages, 'none was lost');
      t.deepEqual(await registered(database), [{ replica: 'two', adopter: null }], 'its session is kept');
    },
  );

  needs(
    test.serial,
    'mosquitto',
    'postgres',
  )(
    `mqtt ${version}: a replica that comes back while a peer adopts its session gets the rest, and the two do not fight`,
    async (t) => {
      const { database, fleet, broker, start } = await prepare(t, { version });
      const [one, two] = await Promise.all([start('one'), start('two')]);
      await one.kill();
      const everything = await lockWith(t, database, 'LOCK TABLE service_statuses IN EXCLUSIVE MODE');
      await broker.publish(fleet.heartbeats(messages, broker.form));
      await waitFor(async () => (await registered(database)).some(({ adopter }) => adopter === 'two'), {
        what: 'the session to be adopted',
        process: two,
        timeout: patience,
      });
      const again = await start('one');
      const line = await two.log.line(leaves);
      t.log(line);
      await everything.release();
      await fleet.arrives(database, again);
      await fleet.assertArrived(t, database);
      const received = (await stop(t, again)) + (await stop(t, two));
      t.true(received >= messages, 'none was lost');
      t.deepEqual(
        [again, two].map(({ log }) => log.lines('not connected').length <= 1),
        [true, true],
      );
      t.is(two.log.lines(leaves).length, 1);
      t.deepEqual(two.log.lines(took), []);
    },
  );

  needs(
    test.serial,
    'mosquitto',
    'postgres',
  )(
    `mqtt ${version}: if the adopter is killed in the middle, another peer adopts both sessions`,
    async (t) => {
      const { database, fleet, broker, start, hasSession } = await prepare(t, { version });
      const replicas = new Map<string, ConductorProcess>();
      for (const name of ['one', 'two', 'three']) replicas.set(name, await start(name));
      await replicas.get('one')?.kill();
      const everything = await lockWith(t, database, 'LOCK TABLE service_statuses IN EXCLUSIVE MODE');
      await broker.publish(fleet.heartbeats(messages, broker.form));
      const adopter = await waitFor(
        async () =>
          (await registered(database)).find(({ adopter }) => adopter !== null)?.adopter ?? undefined,
        { what: 'the session to be adopted', timeout: patience },
      );
      await replicas.get(adopter)?.kill();
      await everything.release();
      const [survivor = ''] = ['two', 'three'].filter((name) => name !== adopter);
      const last = replicas.get(survivor);
      await fleet.arrives(database, last);
      await last?.log.line(took, 2);
      await fleet.assertArrived(t, database);
      t.deepEqual([await hasSession('one'), await hasSession(adopter)], [false, false]);
      t.deepEqual(await registered(database), [{ replica: survivor, adopter: null }]);
    },
  );
}

needs(
  test.serial,
  'mosquitto',
  'postgres',
)('mqtt: a replica that ends its session when it stops leaves nothing to adopt', async (t) => {
  const { database, start } = await prepare(t, {});
  const one = await start('one', { keepSession: false });
  await stop(t, one);
  t.deepEqual(await registered(database), []);
});

/** A fleet, a database, and a room of its own on the broker, whose sessions end with the test. */
async function prepare(t: ExecutionContext, form: MosquittoForm, adoptAfter = after) {
  const database = await createDatabase(t, { migrated: true });
  const fleet = new Fleet(instances);
  await fleet.register(database);
  const mosquitto = service('mosquitto');
  const broker = openMosquitto(mosquitto, form);
  const idOf = (replica: string) => String(broker.entry({ replica }).clientId);
  t.teardown(async () => {
    for (const replica of ['one', 'two', 'three']) {
      const client = await mqtt.connectAsync(mosquitto.url, { clientId: idOf(replica), clean: true });
      await client.endAsync();
    }
  });
  return {
    database,
    fleet,
    broker,
    start: (replica: string, more: Readonly<Record<string, unknown>> = {}) =>
      startConductorProcess(t, {
        database: replicaUrl(database.url),
        transports: { guests: { ...broker.entry({ replica }), keepSession: true, ...more } },
        settings: { replica, adopt: { after: adoptAfter }, database: { lockTimeout: 60_000 } },
      }),
    hasSession: async (replica: string) => {
      const client = mqtt.connect(mosquitto.url, {
        clientId: idOf(replica),
        clean: false,
        reconnectPeriod: 0,
        manualConnect: true,
      });
      const present = new Promise<boolean>((resolve) =>
        client.once('connect', ({ sessionPresent }) => resolve(sessionPresent)),
      );
      client.connect();
      const isPresent = await present;
      await client.endAsync();
      return isPresent;
    },
  };
}

async function registered(database: TestDatabase) {
  return database.query<{ replica: string; adopter: string | null }>(
    'SELECT replica, adopter FROM replicas ORDER BY replica',
  );
}

/** Stops a replica. Resolves with the number of its outcomes, which account for all messages that it has received. */
async function stop(t: ExecutionContext, conductor: ConductorProcess): Promise<number> {
  conductor.signal('SIGTERM');
  t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
  const { received, applied, stale, duplicate, deferred, dead, released } =
    await conductor.log.line('stopped');
  t.is(dead, 0);
  const outcomes = [applied, stale, duplicate, deferred].map(Number).reduce((sum, count) => sum + count, 0);
  t.is(outcomes + Number(released), Number(received));
  return outcomes;
}
