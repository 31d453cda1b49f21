import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { JsonObject } from '../../src/core/json.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { encryptionKey, storeKey } from '../support/secure.ts';
import { needs, onlyIf, service } from '../support/services.ts';
import { hasOslo, hasTrove, pythonPrograms, withoutOslo, withoutTrove } from '../support/trove.ts';
import { waitFor } from '../support/wait.ts';
import { insertBackup, insertInstances, statusOf } from '../support/worker.ts';

/** The other side is Trove's own guest, oslo.messaging's own client and its own listener, over RabbitMQ. */

const withTrove = hasTrove ? needs(test, 'rabbitmq', 'postgres') : onlyIf(test, false, withoutTrove);
const withOslo = hasOslo ? needs(test, 'rabbitmq', 'postgres') : onlyIf(test, false, withoutOslo);

const programs = pythonPrograms();
test.after.always('the programs end', programs.end);

async function start(t: ExecutionContext, transport: object = {}, settings: object = {}) {
  const rabbitmq = service('rabbitmq');
  const vhost = `oslo-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  const database = await createDatabase(t, { migrated: true });
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: { rabbit: { kind: 'amqp091', url, codec: 'oslo', ...transport } },
    settings: { notifications: { topic: 'notifications', publisherHost: 'mq-1' }, ...settings },
  });
  const account = conductor.counters.get('rabbit');
  if (account === undefined) throw new Error('no account');
  return { url, vhost, database, account };
}

const secure = { auth: { mode: 'trove', instRpcKeyEncrKey: encryptionKey } };

for (const [form, transport] of [
  ['plain', {}],
  ['secure', secure],
] as const) {
  withTrove(`all five casts of a real Trove guest are applied, in ${form} form`, async (t) => {
    const { url, database, account } = await start(t, transport);
    const [instance, backup, key] = [randomUUID(), randomUUID(), 'An0therKeyOfThirtyTwoCharacters0'];
    await insertInstances(database, instance);
    await insertBackup(database, backup, instance);
    await storeKey(database, instance, key);
    const listener = await programs.listen(t, url, 2);
    const sent = Date.now() / 1000;
    const keyed = form === 'secure' ? ['--key', key] : [];
    await programs.run('trove_casts.py', url, instance, backup, String(sent), ...keyed);
    const heard = await listener.heard(2);
    await waitFor(() => account.outcomes.applied === 5, { what: 'all five to be applied' });
    t.is(account.unexplained, 0);

    t.like(await statusOf(database, instance), { status_id: 1, status_description: 'running', sent });
    t.like((await database.query('SELECT state, size, checksum, sent FROM backups'))[0], {
      state: 'COMPLETED',
      size: 0.25,
      checksum: 'c',
      sent,
    });
    t.deepEqual(await database.query('SELECT id, "user" FROM root_enabled_history'), [
      { id: instance, user: 'u1' },
    ]);
    const [fault] = await database.query('SELECT instance_id, message, details FROM instance_faults');
    t.like(fault, { instance_id: instance, message: 'boom' });
    t.regex(
      String(fault?.details),
      /^Server type: guest\nTraceback \(most recent call last\):\n.*ValueError: boom\n$/s,
    );

    const byEvent = new Map(heard.map((one) => [one.event_type, one]));
    const end = byEvent.get('dbaas.instance_create.end');
    t.like(end, {
      priority: 'info',
      publisher_id: 'guest.mq-1',
      payload: { tenant_id: 't1', server_type: 'guest', instance_id: instance, name: 'db' },
    });
    t.like(end?.context, { user: 'u1', project_id: 't1', request_id: 'req-1', auth_token: null });
    const error = byEvent.get('dbaas.instance_create.error');
    t.like(error, { priority: 'info', payload: { message: 'boom', instance_id: instance } });
  });
}

withTrove('a notification waits for the first listener', async (t) => {
  const { url, database, account } = await start(t);
  const instance = randomUUID();
  await insertInstances(database, instance);
  await programs.run('trove_casts.py', url, instance, 'no-backup', '1');
  await waitFor(() => account.outcomes.applied === 4, { what: 'all but the backup to be applied' });
  const heard = await (await programs.listen(t, url, 2)).heard(2);
  t.deepEqual(heard.map(({ event_type: type }) => type).toSorted(), [
    'dbaas.instance_create.end',
    'dbaas.instance_create.error',
  ]);
});

withTrove('a plain message is refused if the secure form is required', async (t) => {
  const { url, database, account } = await start(t, secure);
  const instance = randomUUID();
  await insertInstances(database, instance);
  await programs.run('trove_casts.py', url, instance, 'b', '1');
  await waitFor(() => account.deadBy.forbidden === 5, { what: 'all five to be refused' });
  t.is(await statusOf(database, instance), undefined);
});

const calls = (...list: JsonObject[]) => JSON.stringify(list);

withOslo('a real oslo client that calls gets the result', async (t) => {
  const { url } = await start(t);
  const [answer] = await programs.run('oslo_caller.py', url, calls({ method: 'ping', args: {} }));
  t.like(answer?.result, { pong: true });
});

withOslo("a real oslo client raises oslo's own exception for an error of its call", async (t) => {
  const { url } = await start(t);
  const [unknown, newer, capped] = await programs.run(
    'oslo_caller.py',
    url,
    calls(
      { method: 'pong', args: {} },
      { method: 'ping', args: {}, version: '1.99' },
      { method: 'ping', args: {}, version: '1.99', cap: '1.0' },
    ),
  );
  t.like(unknown?.error, { class: 'NoSuchMethod_Remote', module: 'oslo_messaging.rpc.dispatcher_Remote' });
  t.like(newer?.error, {
    class: 'UnsupportedVersion_Remote',
    module: 'oslo_messaging.rpc.dispatcher_Remote',
  });
  t.regex(JSON.stringify(newer?.error), /1\.99/);
  // Its own doing: it sends nothing that is newer than what it was told the conductor speaks.
  t.like(capped?.error, { class: 'RPCVersionCapError' });
});

withTrove("a Trove client raises Trove's own exception for a bad argument", async (t) => {
  const { url } = await start(t);
  const bad = { instance_id: 7, payload: {} };
  const [answer] = await programs.run(
    'oslo_caller.py',
    url,
    calls({ method: 'heartbeat', args: bad }),
    '--trove',
  );
  t.like(answer?.error, { class: 'BadRequest_Remote', module: 'trove.common.exception_Remote' });
  t.regex(JSON.stringify(answer?.error), /args\.instance_id is a number, not a string/);
});

withTrove('a call in secure form is answered in secure form', async (t) => {
  const { url, database } = await start(t, secure);
  const [instance, key] = [randomUUID(), 'AKeyOfThirtyTwoCharacters0000000'];
  await insertInstances(database, instance);
  await storeKey(database, instance, key);
  const heartbeat = { instance_id: instance, payload: { service_status: 'running' }, sent: 1 };
  const list = calls({ method: 'ping', args: {} }, { method: 'heartbeat', args: heartbeat });
  const answers = await programs.run('oslo_caller.py', url, list, '--key', key, '--instance', instance);
  t.like(answers[0]?.result, { pong: true });
  t.deepEqual(answers[1], { result: { outcome: 'applied' } });
  t.like(await statusOf(database, instance), { status_description: 'running' });
});

withOslo('no call of many concurrent ones from an oslo client is lost or answered twice', async (t) => {
  const { url, account } = await start(t);
  const times = 400;
  const ping = calls({ method: 'ping', args: {} });
  const [summary] = await programs.run(
    'oslo_caller.py',
    url,
    ping,
    '--times',
    String(times),
    '--in-flight',
    '32',
  );
  t.log(JSON.stringify(summary));
  t.is(summary?.answered, times);
  await waitFor(() => account.outcomes.answered === times, { what: 'all to be settled' });
  t.is(account.received, times);
});
