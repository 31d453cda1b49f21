import test from 'ava';
import { maintain } from '../support/maintain.ts';
import { seal, storeKey } from '../support/secure.ts';
import { needs } from '../support/services.ts';
import { apply, insertInstances, openContext, raw, statusOf } from '../support/worker.ts';
import { dueNow, heartbeat, heartbeatArgs, start, transports } from './secure-support.ts';

/** Messages in Trove's secure form that cannot be opened yet. */

const withPostgres = needs(test, 'postgres');

withPostgres('a heartbeat that arrives before its instance is made is opened later', async (t) => {
  const { database, context } = await start(t);
  const early = { instance: 'i-3', key: 'key-3' };
  t.deepEqual(await apply(context, [heartbeat(early, 1, 'building'), heartbeat(early, 2)], 'oslo'), [
    'deferred: unknown',
    'deferred: unknown',
  ]);
  t.deepEqual(await database.query('SELECT method, key FROM deferred'), [
    { method: 'sealed heartbeat', key: 'i-3' },
  ]);
  await dueNow(database);
  t.like(await maintain(context), { retried: 1, resolved: 0 });
  await insertInstances(database, 'i-3');
  await storeKey(database, 'i-3', 'key-3');
  await dueNow(database);
  t.like(await maintain(context), { retried: 1, resolved: 1 });
  t.like(await statusOf(database, 'i-3'), { status_description: 'running', sent: 2 });
  t.deepEqual(await database.query('SELECT FROM deferred'), []);
});

withPostgres('a message that was opened late still leads to its notification', async (t) => {
  const { database, context } = await start(t);
  const serialized_notification = {
    tenant_id: 't1',
    client_ip: '192.0.2.10',
    server_ip: '192.0.2.1',
    server_type: 'guest',
    request_id: 'req-1',
    instance_id: 'i-3',
    notification_classname: 'trove.common.notification.DBaaSInstanceCreate',
  };
  const body = seal('notify_end', { serialized_notification }, { instance: 'i-3', key: 'key-3' });
  t.deepEqual(await apply(context, [raw(body)], 'oslo'), ['deferred: unknown']);
  await insertInstances(database, 'i-3');
  await storeKey(database, 'i-3', 'key-3');
  await dueNow(database);
  t.like(await maintain(context), { retried: 1, resolved: 1 });
  t.deepEqual(await database.query('SELECT transport, topic FROM notification_outbox'), [
    { transport: 'oslo', topic: 'notifications.info' },
  ]);
  t.deepEqual(await database.query('SELECT FROM deferred'), []);
});

withPostgres(
  'messages wait if their keys are encrypted under another secret, and do not become dead letters',
  async (t) => {
    const { database, context } = await start(t);
    await storeKey(database, 'i-1', 'key-1', 'another secret');
    t.deepEqual(await apply(context, [heartbeat()], 'oslo'), ['deferred: unknown']);
    await storeKey(database, 'i-1', 'key-1');
    await dueNow(database);
    t.like(await maintain(context), { resolved: 1 });
    t.like(await statusOf(database, 'i-1'), { status_description: 'running' });
  },
);

withPostgres(
  'a message that was opened late and is about another instance is a dead letter with its body',
  async (t) => {
    const { database, context } = await start(t);
    const body = seal('heartbeat', heartbeatArgs('i-1'), { instance: 'i-3', key: 'key-3' });
    t.deepEqual(await apply(context, [raw(body)], 'oslo'), ['deferred: unknown']);
    await insertInstances(database, 'i-3');
    await storeKey(database, 'i-3', 'key-3');
    await dueNow(database);
    t.like(await maintain(context), { resolved: 1 });
    const [letter] = await database.query('SELECT reason, convert_from(body, $1) AS body FROM dead_letters', [
      'UTF8',
    ]);
    t.deepEqual(letter, { reason: 'forbidden', body });
  },
);

withPostgres('a message of an instance that is never made becomes a dead letter in the end', async (t) => {
  const { database } = await start(t);
  const context = openContext(t, database, {
    transports,
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 1, maxRows: 10 },
  });
  const body = seal('heartbeat', heartbeatArgs('i-3'), { instance: 'i-3', key: 'key-3' });
  t.deepEqual(await apply(context, [raw(body)], 'oslo'), ['deferred: unknown']);
  await database.query(
    "UPDATE deferred SET next_attempt_at = now(), first_deferred_at = now() - interval '1 s'",
  );
  t.like(await maintain(context), { resolved: 1 });
  t.deepEqual(
    await database.query('SELECT reason, method, convert_from(body, $1) AS body FROM dead_letters', ['UTF8']),
    [{ reason: 'never_known', method: 'heartbeat', body }],
  );
});

withPostgres('a message of an unknown method does not wait for a key', async (t) => {
  const { context } = await start(t);
  const body = seal('heartbeats', {}, { instance: 'i-3', key: 'key-3' });
  t.deepEqual(await apply(context, [raw(body)], 'oslo'), ['dead: unknown_method']);
});
