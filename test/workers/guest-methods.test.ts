import test from 'ava';
import { isObject } from '../../src/core/json.ts';
import type { ClaimedNotification } from '../../src/core/message/notification.ts';
import { wholeBody } from '../../src/core/span.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { claimOutbox, settleOutbox } from '../../src/workers/outbox.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { maintain } from '../support/maintain.ts';
import { noticeArgs } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { apply, insertInstances, native, openContext } from '../support/worker.ts';

/** report_root, notify_end and notify_exc_info as a worker applies them. */

const withPostgres = needs(test, 'postgres');

function cast(method: string, args: unknown, user?: string, messageId?: string): RawMessage {
  const context = { user, tenant: 't1', request_id: 'req-1', auth_token: 'a-secret' };
  return {
    ...native(method, args, messageId === undefined ? {} : { messageId }),
    ...wholeBody(Buffer.from(JSON.stringify({ method, args, context }))),
  };
}

const rootReports = (database: TestDatabase) =>
  database.query(
    `SELECT id, "user", abs(extract(epoch FROM (now() AT TIME ZONE 'utc') - created)) < 60 AS fresh
     FROM root_enabled_history ORDER BY id`,
  );

withPostgres('report_root records the user, and keeps the first report', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i-1', 'i-2');
  const report = (instance_id: string, user?: string) => cast('report_root', { instance_id }, user);
  t.deepEqual(await apply(context, [report('i-1', 'ann'), report('i-2'), report('i-1', 'bob')]), [
    'applied',
    'applied',
    'duplicate',
  ]);
  t.deepEqual(await apply(context, [report('i-1', 'carl')]), ['duplicate']);
  t.deepEqual(await rootReports(database), [
    { id: 'i-1', user: 'ann', fresh: true },
    { id: 'i-2', user: null, fresh: true },
  ]);
});

withPostgres('report_root about a deleted instance is stale and writes nothing', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i-1');
  await database.query('UPDATE instances SET deleted = true');
  t.deepEqual(await apply(openContext(t, database), [cast('report_root', { instance_id: 'i-1' }, 'ann')]), [
    'stale',
  ]);
  t.deepEqual(await rootReports(database), []);
});

withPostgres(
  'report_root about an unknown instance waits for the instance, and keeps its user',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const context = openContext(t, database);
    t.deepEqual(await apply(context, [cast('report_root', { instance_id: 'i-1' }, 'ann')]), [
      'deferred: unknown',
    ]);
    await insertInstances(database, 'i-1');
    await database.query('UPDATE deferred SET next_attempt_at = now()');
    t.like(await maintain(context), { retried: 1, resolved: 1 });
    t.like((await rootReports(database))[0], { id: 'i-1', user: 'ann' });
  },
);

const serialized = (more: object = {}) => ({
  ...noticeArgs('i-1', 'req-1').serialized_notification,
  ...more,
});

/** Applies one message; the stored notifications, read as a listener would. */
async function notificationOf(context: ThreadState, rawMessage: RawMessage) {
  const [outcome] = await apply(context, [rawMessage]);
  if (outcome !== 'applied') throw new Error(`the message is ${outcome}`);
  const rows = await claimOutbox(context, 'plain');
  await settleOutbox(context, { published: rows.map(({ row }) => row), failed: [], released: [] });
  return rows.map(read);
}

function read({ topic, messageId, instanceId, body }: ClaimedNotification) {
  const outer: unknown = JSON.parse(Buffer.from(body).toString());
  const message: unknown = isObject(outer) ? JSON.parse(String(outer['oslo.message'])) : undefined;
  if (!isObject(message)) throw new Error('no message');
  return { topic, messageId, instanceId, message };
}

withPostgres("notify_end is published in oslo's form, with the context but without its token", async (t) => {
  const context = openContext(t, await createDatabase(t, { migrated: true }));
  const args = { serialized_notification: serialized(), notification_args: { name: 'db' } };
  const [first] = await notificationOf(context, cast('notify_end', args, 'u1', 'm-1'));
  const [again] = await notificationOf(context, cast('notify_end', args, 'u1', 'm-1'));
  t.is(first?.topic, 'notifications.info');
  const { notification_classname: _, ...payload } = serialized();
  t.like(first?.message, {
    event_type: 'dbaas.instance_create.end',
    publisher_id: 'guest.test-host',
    priority: 'INFO',
    payload: { ...payload, name: 'db' },
    _context_user: 'u1',
    _context_project_id: 't1',
    _context_user_identity: 'u1 t1 - - -',
    _context_auth_token: null,
  });
  t.is(again?.message.message_id, first?.message.message_id, 'a listener can tell that it comes again');
  t.is(first?.message.message_id, first?.messageId, "the protocol's property has the same id");
  t.is(first?.instanceId, 'i-1');
});

withPostgres('a notification keeps its id if its message comes again, with or without an id', async (t) => {
  const context = openContext(t, await createDatabase(t, { migrated: true }));
  const idOf = async (args: object, messageId?: string) =>
    (await notificationOf(context, cast('notify_end', args, 'u1', messageId)))[0]?.messageId;
  const one = { serialized_notification: serialized(), notification_args: { name: 'db' } };
  const other = { serialized_notification: serialized({ instance_id: 'i-2' }) };
  t.is(await idOf(one), await idOf(one));
  const ids = [await idOf(one), await idOf(other), await idOf(one, 'm-1'), await idOf(other, 'm-1')];
  t.is(new Set(ids).size, 4, 'another message, or a message of another guest, has another id');
});

withPostgres('a notification is not published without a configured topic', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { notifications: { topic: '', publisherHost: 'h' } });
  const rawMessage = cast('notify_end', { serialized_notification: serialized(), notification_args: {} });
  t.deepEqual(await notificationOf(context, rawMessage), []);
  t.deepEqual(await apply(context, [rawMessage]), ['applied']);
});

for (const [what, args, detail] of [
  [
    'without a class',
    { serialized_notification: serialized({ notification_classname: undefined }) },
    /classname is missing, not one of/,
  ],
  [
    'of a class that is none of Trove’s notifications',
    { serialized_notification: serialized({ notification_classname: 'os.system' }) },
    /classname is "os.system", not one of/,
  ],
  [
    'that lacks what Trove asks for',
    { serialized_notification: serialized({ server_ip: undefined, client_ip: undefined }) },
    /lacks client_ip, server_ip$/,
  ],
  [
    'that ends a backup without naming it',
    {
      serialized_notification: serialized({
        notification_classname: 'trove.common.notification.DBaaSBackupCreate',
      }),
    },
    /lacks backup_id$/,
  ],
  [
    'that names another instance in its arguments',
    { serialized_notification: serialized(), notification_args: { instance_id: 'i-2' } },
    /is not that of/,
  ],
  [
    'that names no instance',
    { serialized_notification: serialized({ instance_id: undefined }) },
    /instance_id is missing/,
  ],
] as const) {
  withPostgres(`a notification ${what} is refused`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    t.deepEqual(await apply(openContext(t, database), [native('notify_end', args)]), ['dead: bad_argument']);
    const [letter] = await database.query('SELECT detail FROM dead_letters');
    t.regex(String(letter?.detail), detail);
  });
}

withPostgres('a guest may not notify for another instance', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { transports: { plain: { codec: 'native', auth: 'subject' } } });
  const args = { serialized_notification: serialized() };
  const from = (sender: string) => native('notify_end', args, { sender, senderProof: 'subject' });
  t.deepEqual(await apply(context, [from('i-2'), from('i-1')]), ['dead: forbidden', 'applied']);
});

const failure = (message: string, instance = 'i-1') =>
  native('notify_exc_info', {
    serialized_notification: serialized({ instance_id: instance }),
    message,
    exception: ['Traceback (most recent call last):\n', 'ValueError: boom\n'],
  });

const faults = (database: TestDatabase) =>
  database.query(
    'SELECT id, instance_id, message, details, deleted FROM instance_faults ORDER BY instance_id',
  );

withPostgres('notify_exc_info keeps only the last fault of an instance', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i-1', 'i-2');
  await database.query(
    `INSERT INTO instance_faults (id, instance_id, message, details, created, updated, deleted)
     VALUES ('f-2', 'i-2', 'old', 'old', now(), now(), false)`,
  );
  t.deepEqual(await apply(context, [failure('one'), failure('two', 'i-2'), failure('three')]), [
    'applied',
    'applied',
    'applied',
  ]);
  t.deepEqual(await apply(context, [failure('three')]), ['applied'], 'delivered again');
  const details = 'Server type: guest\nTraceback (most recent call last):\nValueError: boom\n';
  t.deepEqual(await faults(database), [
    { id: 'i-1', instance_id: 'i-1', message: 'three', details, deleted: false },
    { id: 'f-2', instance_id: 'i-2', message: 'two', details, deleted: false },
  ]);
});

withPostgres('notify_exc_info of an unknown or deleted instance is published, without a fault', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i-2');
  await database.query('UPDATE instances SET deleted = true');
  for (const instance of ['i-1', 'i-2']) {
    const [published] = await notificationOf(context, failure('one', instance));
    t.is(published?.message.event_type, 'dbaas.instance_create.error');
    t.like(published?.message.payload, { message: 'one', instance_id: instance });
  }
  t.deepEqual(await faults(database), []);
  t.deepEqual(await database.query('SELECT FROM deferred'), []);
});

withPostgres('a fault whose row another session has locked does not wait for the lock', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i-1');
  await apply(context, [failure('one')]);
  const client = await context.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query("UPDATE instance_faults SET message = 'theirs'");
    t.deepEqual(await apply(context, [failure('two')]), ['applied']);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
  t.like((await faults(database))[0], { message: 'theirs' });
});
