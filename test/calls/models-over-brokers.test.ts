import test from 'ava';
import { isObject } from '../../src/core/json.ts';
import { lockWith } from '../faults/databases.ts';
import { startConductorHere, startConductorProcess } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf } from '../support/worker.ts';
import { callBrokers, openRabbitmq } from './brokers.ts';

const access = {
  models: {
    instance: { table: 'instances', read: { except: ['encrypted_key'] } },
    backup: { table: 'backups' },
  },
  services: {
    api: {
      methods: '*',
      models: { instance: { read: '*', write: '*', delete: true }, backup: { read: '*' } },
    },
  },
};

for (const { label, service, open } of callBrokers) {
  needs(
    test,
    service,
    'postgres',
  )(
    `${label}: calls create, read, list, update and delete a row, and each error has its class`,
    async (t) => {
      const { url: database } = await createDatabase(t, { migrated: true });
      const broker = await open(t);
      const transports = { guests: broker.entry() };
      const conductor = await startConductorHere(t, { database, transports, settings: access });
      const api = await broker.open('api');
      const { result } = await api.ask('model_create', { model: 'instance', values: { name: 'one' } });
      const { id, updated } = isObject(result) ? result : {};
      t.like(await api.ask('model_get', { model: 'instance', id }), { result: { id, name: 'one' } });
      t.like(await api.ask('model_list', { model: 'instance', filters: { name: { like: 'o%' } } }), {
        result: { rows: [{ id }], marker: null },
      });
      const values = { name: 'two' };
      const update = { model: 'instance', id, values, if_updated: updated };
      t.like(await api.ask('model_update', update), { result: { id, name: 'two' } });
      t.like(await api.ask('model_update', update), { error: { class: 'Conflict', argument: 'if_updated' } });
      t.deepEqual(await api.ask('model_delete', { model: 'instance', id }, 'd-1'), { result: { count: 1 } });
      t.deepEqual(await api.ask('model_delete', { model: 'instance', id }, 'd-1'), { result: { count: 1 } });
      t.like(await api.ask('model_get', { model: 'instance', id }), {
        error: { class: 'NotFound', argument: 'id' },
      });
      t.like(await api.ask('model_get', { model: 'users', id }), {
        error: { class: 'BadRequest', argument: 'model' },
      });
      t.like(await api.ask('model_update', { model: 'backup', id, values }), {
        error: { class: 'Forbidden' },
      });
      const guest = await broker.open('i-1');
      t.like(await guest.ask('model_list', { model: 'instance' }), { error: { class: 'Forbidden' } });
      await api.cast('model_delete', { model: 'instance', id });
      const account = conductor.counters.get('guests');
      await waitFor(() => account?.deadBy.not_a_cast === 1, { what: 'the cast among the dead letters' });
      t.is(account?.unexplained, 0);
      for (const answers of [...api.answers, ...guest.answers])
        t.is(answers[1].length, answers[0] === 'd-1' ? 2 : 1);
    },
  );

  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: a model_list that takes too long ends as Timeout, and heartbeats are applied meanwhile`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      await database.query('CREATE TABLE slow (id integer PRIMARY KEY)');
      await insertInstances(database, 'i-1');
      const broker = await open(t);
      const conductor = await startConductorHere(t, {
        database: database.url,
        transports: { guests: broker.entry() },
        settings: {
          models: { slow: { table: 'slow' } },
          services: { api: { methods: '*', models: { slow: { read: '*' } } } },
          workers: { threads: 1 },
          calls: { concurrency: 2, timeout: 10_000 },
          database: { lockTimeout: 60_000 },
        },
      });
      const [api, guest] = [await broker.open('api'), await broker.open('i-1')];
      // Known before it is slow, so that what waits is the list itself.
      t.like(await api.ask('model_list', { model: 'slow' }), { result: { rows: [] } });
      const { size } = api.answers;
      const table = await lockWith(t, database, 'LOCK TABLE slow IN ACCESS EXCLUSIVE MODE');
      // More than there are slots for calls.
      for (let count = 0; count < 4; count += 1)
        await api.call('model_list', { model: 'slow' }, `slow-${count}`);
      await waitFor(async () => (await waiting()) === 2, { what: 'both slots to be taken' });
      for (let sent = 1; sent <= 30; sent += 1) {
        const payload = { service_status: sent % 2 === 0 ? 'running' : 'healthy' };
        await guest.cast('heartbeat', { instance_id: 'i-1', sent, payload });
        await waitFor(async () => (await statusOf(database, 'i-1'))?.sent === sent, {
          what: `heartbeat ${sent} to be applied`,
          interval: 2,
        });
      }
      t.is(api.answers.size, size, 'all that while the calls had no answer');
      const first = await waitFor(() => api.answers.get('slow-0')?.[0], {
        what: 'the first to end',
        timeout: 20_000,
      });
      t.deepEqual(first, {
        error: { class: 'Timeout', message: 'the call took longer than calls.timeout' },
      });
      await table.release();
      const last = await waitFor(() => api.answers.get('slow-3')?.[0], { what: 'the last to end' });
      t.deepEqual(last, { result: { rows: [], marker: null } });
      t.deepEqual(conductor.log.lines('messages are held, nothing is lost'), []);

      async function waiting(): Promise<number> {
        const rows = await database.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'relation'",
        );
        return rows.length;
      }
    },
  );
}

needs(
  test,
  'rabbitmq',
  'postgres',
)(
  'a call whose conductor is killed before its ack gets the same answer from the next conductor, and acts once',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await database.query(
      `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN SET LOCAL lock_timeout = 0; PERFORM pg_advisory_xact_lock_shared(1); RETURN new; END $$;
       CREATE TRIGGER wait BEFORE INSERT ON instances FOR EACH ROW EXECUTE FUNCTION wait()`,
    );
    const broker = await openRabbitmq(t);
    const proxy = await startProxy(broker.port);
    t.teardown(proxy.stop);
    const options = { database: database.url, transports: { guests: broker.entry(proxy) }, settings: access };
    const victim = await startConductorProcess(t, options);
    const api = await broker.open('api');
    const gate = await lockWith(t, database, 'SELECT pg_advisory_xact_lock(1)');
    const args = { model: 'instance', values: [{ name: 'one' }, { name: 'two' }] };
    await api.call('model_create', args, 'm-1');
    await waitFor(
      async () =>
        (
          await database.query(
            "SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()",
          )
        ).length === 1,
      { what: 'the call to be executed', process: victim },
    );
    // From here on nothing that the conductor says reaches the broker: neither the answer nor the ack.
    proxy.halfOpen();
    await gate.release();
    const [kept] = await waitFor(
      async () => {
        const rows = await database.query<{ result: string }>('SELECT result FROM call_results');
        return rows.length === 1 && rows;
      },
      { what: 'the call to be committed', process: victim },
    );
    t.deepEqual(await victim.kill(), { code: null, signal: 'SIGKILL' });
    t.is(api.answers.size, 0);
    await proxy.restore();

    const next = await startConductorProcess(t, options);
    const [answer] = await waitFor(() => api.answers.get('m-1'), { what: 'the answer', process: next });
    t.deepEqual(answer, { result: JSON.parse(kept?.result ?? '') });
    // And again, as a caller does that has not heard.
    t.deepEqual(await api.ask('model_create', args, 'm-1'), answer);
    t.is((await database.query('SELECT FROM instances')).length, 2);
    next.signal('SIGTERM');
    t.deepEqual(await next.exited, { code: 0, signal: null });
    t.like(await next.log.line('stopped'), { received: 2, redelivered: 1, answered: 2 });
  },
);

needs(
  test,
  'rabbitmq',
  'postgres',
)('if senders are not proven, any sender has the grants of `anonymous`, and the log says so', async (t) => {
  const { url: database } = await createDatabase(t, { migrated: true });
  const broker = await openRabbitmq(t);
  const conductor = await startConductorHere(t, {
    database,
    transports: { guests: { ...broker.entry(), auth: { mode: 'none' } } },
    settings: {
      models: access.models,
      services: { anonymous: { methods: ['model_list'], models: { instance: { read: ['name'] } } } },
    },
  });
  await conductor.log.line('services.anonymous: everybody who can send to this transport has its grants');
  const anybody = await broker.open('anybody');
  t.deepEqual(await anybody.ask('model_list', { model: 'instance' }), { result: { rows: [], marker: null } });
  t.like(await anybody.ask('model_delete', { model: 'instance', id: 'x' }), {
    error: { class: 'Forbidden' },
  });
});

for (const [what, settings, message] of [
  [
    'table',
    { models: { user: { table: 'users' } } },
    'models.user.table: the database has no table users with a primary key',
  ],
  [
    'column',
    { models: { instance: { table: 'instances', read: { except: ['encrypted_kye'] } } } },
    'models.instance.read: instances has no column encrypted_kye',
  ],
  [
    'column of a service',
    {
      models: { instance: { table: 'instances' } },
      services: { api: { models: { instance: { write: ['nmae'] } } } },
    },
    'services.api.models.instance.write: instances has no column nmae',
  ],
] as const) {
  needs(test, 'postgres')(
    `a conductor does not start with a ${what} that the database does not have`,
    async (t) => {
      const { url: database } = await createDatabase(t, { migrated: true });
      const transports = { guests: { kind: 'amqp091', url: 'amqp://127.0.0.1:1' } };
      await t.throwsAsync(startConductorHere(t, { database, transports, settings }), { message });
    },
  );
}
