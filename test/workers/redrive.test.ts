import ava, { type ExecutionContext } from 'ava';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { dueLetters, redriveLetters } from '../../src/workers/redrive.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { maintain, redrive } from '../support/maintain.ts';
import { noticeArgs } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances, native, openContext, raw, statusOf } from '../support/worker.ts';

const test = needs(ava, 'postgres');

type Overrides = Parameters<typeof openContext>[2];

async function prepared(
  t: ExecutionContext,
  overrides?: Overrides,
): Promise<{ database: TestDatabase; context: ThreadState }> {
  const database = await createDatabase(t, { migrated: true });
  return { database, context: openContext(t, database, overrides) };
}

/** Gives all letters the body of a heartbeat of this instance. */
const edit = (database: TestDatabase, args: { instance_id: unknown; sent?: number; payload?: object }) =>
  database.query('UPDATE dead_letters SET edited_body = $1', [JSON.stringify({ method: 'heartbeat', args })]);

const letters = (database: TestDatabase) =>
  database.query('SELECT reason, redrive_outcome, redrives FROM dead_letters ORDER BY id');

test('a redriven letter is applied, and marked in the same transaction', async (t) => {
  const { database, context } = await prepared(t);
  await insertInstances(database, 'i1');
  await database.query(
    "ALTER TABLE service_statuses ADD CONSTRAINT no_crash CHECK (status_description <> 'crashed')",
  );
  await apply(context, [heartbeat('i2', 1, 'running'), heartbeat('i1', 5, 'crashed')]);
  await insertInstances(database, 'i3');
  await apply(context, [heartbeat('i3', 1, 'running'), heartbeat('i1', 5, 'crashed')]);
  t.deepEqual(await letters(database), [{ reason: 'refused', redrive_outcome: null, redrives: 0 }]);
  await database.query('ALTER TABLE service_statuses DROP CONSTRAINT no_crash');
  t.deepEqual((await redrive(context, database)).outcomes, { applied: 1 });
  t.deepEqual(await letters(database), [{ reason: 'refused', redrive_outcome: 'applied', redrives: 1 }]);
  t.like(await statusOf(database, 'i1'), { status_description: 'crashed', sent: 5 });
  t.deepEqual(await dueLetters(context, 'plain'), { ids: [], isFull: false, nextIn: null });
});

test('a letter that dies again stays one letter, with the new reason and detail', async (t) => {
  const { database, context } = await prepared(t);
  await apply(context, [native('no_such', { instance_id: 'i1' })]);
  await edit(database, { instance_id: 7 });
  t.deepEqual((await redrive(context, database)).outcomes, { dead: 1 });
  const [letter, ...others] = await database.query('SELECT * FROM dead_letters');
  t.deepEqual(others, []);
  t.like(letter, {
    reason: 'bad_argument',
    redrive_outcome: 'dead',
    redrives: 1,
    redrive_at: null,
    method: 'heartbeat',
  });
  t.regex(letter?.detail, /instance_id/);
});

test('a letter that the database refuses again is dead at once, without other messages to compare it with', async (t) => {
  const { database, context } = await prepared(t);
  await insertInstances(database, 'i1', 'i2');
  await database.query("ALTER TABLE service_statuses ADD CHECK (status_description <> 'crashed')");
  await apply(context, [heartbeat('i1', 5, 'crashed'), heartbeat('i2', 5, 'running')]);
  await database.query("UPDATE dead_letters SET detail = 'before'");
  t.deepEqual((await redrive(context, database)).outcomes, { dead: 1 });
  const [letter] = await database.query('SELECT reason, detail FROM dead_letters');
  t.is(letter?.reason, 'refused');
  t.regex(letter?.detail, /23514/);
  t.deepEqual(await database.query('SELECT FROM deferred'), []);
});

test('a letter whose guard is older than the stored one is stale', async (t) => {
  const { database, context } = await prepared(t);
  await apply(context, [native('no_such', {})]);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 9, 'running')]);
  await edit(database, { instance_id: 'i1', sent: 8, payload: { service_status: 'paused' } });
  t.deepEqual((await redrive(context, database)).outcomes, { stale: 1 });
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 9 });
});

test('a message that died in deferred is redriven from its arguments, whatever codec its transport has', async (t) => {
  const { database, context } = await prepared(t, {
    transports: { oslo: { codec: 'oslo', auth: 'user-id' } },
  });
  const args = { instance_id: 'i1', sent: 3, payload: { service_status: 'running' } };
  await database.query(
    `INSERT INTO deferred (method, key, instance_id, transport, args, sent, reason, first_deferred_at, next_attempt_at)
     VALUES ('heartbeat', 'i1', 'i1', 'oslo', $1, 3, 'unknown', now() - interval '2 hours', now())`,
    [args],
  );
  await maintain(context);
  t.deepEqual(await letters(database), [{ reason: 'never_known', redrive_outcome: null, redrives: 0 }]);
  await insertInstances(database, 'i1');
  t.deepEqual((await redrive(context, database, 'oslo')).outcomes, { applied: 1 });
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 3 });
});

test('a letter about an instance that is still unknown waits in deferred, as any message does', async (t) => {
  const { database, context } = await prepared(t);
  await apply(context, [native('no_such', {})]);
  await edit(database, { instance_id: 'i1', sent: 8, payload: {} });
  t.deepEqual((await redrive(context, database)).outcomes, { deferred: 1 });
  t.deepEqual(await letters(database), [
    { reason: 'unknown_method', redrive_outcome: 'deferred', redrives: 1 },
  ]);
  t.deepEqual(await database.query('SELECT method, key FROM deferred'), [{ method: 'heartbeat', key: 'i1' }]);
});

test('the sender of a redriven message is proven as it was at first, and an edited body does not change it', async (t) => {
  const { database, context } = await prepared(t, {
    transports: { plain: { codec: 'native', auth: 'subject' } },
  });
  await insertInstances(database, 'i1', 'i2');
  const about = (instance: string) =>
    native(
      'heartbeat',
      { instance_id: instance, sent: 1, payload: {} },
      {
        sender: 'i1',
        senderProof: 'subject',
      },
    );
  t.deepEqual(await apply(context, [about('i2')]), ['dead: forbidden']);
  t.deepEqual((await redrive(context, database)).outcomes, { dead: 1 });
  t.deepEqual(await letters(database), [{ reason: 'forbidden', redrive_outcome: 'dead', redrives: 1 }]);
  await database.query(
    `UPDATE dead_letters SET edited_body = convert_to(replace(convert_from(body, 'UTF8'), '"i2"', '"i1"'), 'UTF8')`,
  );
  t.deepEqual((await redrive(context, database)).outcomes, { applied: 1 });
  t.truthy(await statusOf(database, 'i1'));
});

test('a compressed body is redriven as it came', async (t) => {
  const { database, context } = await prepared(t);
  const { gzipSync } = await import('node:zlib');
  const body = gzipSync(
    JSON.stringify({ method: 'heartbeat', args: { instance_id: 'i1', sent: 2, payload: {} } }),
  );
  await insertInstances(database, 'i1');
  t.deepEqual(await apply(context, [raw(body.subarray(0, -4), { compression: 'gzip' })]), [
    'dead: bad_envelope',
  ]);
  await database.query('UPDATE dead_letters SET body = $1, body_size = $2', [body, body.length]);
  t.deepEqual((await redrive(context, database)).outcomes, { applied: 1 });
});

for (const [what, change] of [
  ['is cut', 'body_size = octet_length(body) + 1'],
  ['is redacted', 'redacted = true'],
  ['is that of a call', 'is_call = true'],
  ['is missing', 'body = NULL'],
  ['only counts messages', 'counted = 7, body = NULL'],
] as const) {
  test(`a letter whose body ${what} is not redriven, until it is edited`, async (t) => {
    const { database, context } = await prepared(t);
    await insertInstances(database, 'i1');
    await apply(context, [native('no_such', {})]);
    await database.query(`UPDATE dead_letters SET ${change}`);
    t.deepEqual((await redrive(context, database)).outcomes, { refused: 1 });
    t.deepEqual(await letters(database), [
      { reason: 'unknown_method', redrive_outcome: 'refused', redrives: 1 },
    ]);
    await edit(database, { instance_id: 'i1', sent: 2, payload: {} });
    t.deepEqual((await redrive(context, database)).outcomes, { applied: 1 });
  });
}

test("a call in oslo's form, which only its body shows, is not redriven", async (t) => {
  const { database, context } = await prepared(t);
  const message = { method: 'ping', args: {}, _msg_id: 'a', _reply_q: 'b' };
  const body = JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
  await database.query(
    `INSERT INTO dead_letters (transport, reason, body, body_size, body_digest) VALUES ('oslo', 'crash', $1, $2, '')`,
    [Buffer.from(body), body.length],
  );
  t.deepEqual((await redrive(context, database, 'oslo')).outcomes, { refused: 1 });
  t.deepEqual(await database.query('SELECT reason, is_call FROM dead_letters'), [
    { reason: 'crash', is_call: true },
  ]);
});

test('a letter that cannot be committed waits, and is due again later', async (t) => {
  const { database, context } = await prepared(t, { database: { lockTimeout: 100 } });
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 1, 'running'), native('no_such', {})]);
  await edit(database, { instance_id: 'i1', sent: 2, payload: {} });
  await database.query('ALTER TABLE dead_letters ADD CHECK (redrive_outcome IS NULL)');
  const { outcomes, failedBecause } = await redrive(context, database);
  t.deepEqual(outcomes, { held: 1 });
  t.regex(failedBecause ?? '', /dead_letters/);
  t.deepEqual(
    await database.query(
      'SELECT redrive_at > now() AS later, redriven_at, redrive_outcome FROM dead_letters',
    ),
    [{ later: true, redriven_at: null, redrive_outcome: null }],
  );
  t.like(await statusOf(database, 'i1'), { sent: 1 });
});

test('a notification that was never published returns to the outbox once, unless its body is cut', async (t) => {
  const { database, context } = await prepared(t);
  await database.query(`
    INSERT INTO dead_letters (transport, reason, topic, message_id, instance_id, body, body_size, body_digest)
    SELECT 'plain', 'unpublished', 'events', 'm-' || size, 'i1', 'x', size, '' FROM generate_series(1, 2) AS size`);
  const { outcomes, notifies } = await redrive(context, database);
  t.deepEqual(outcomes, { applied: 1, refused: 1 });
  t.true(notifies);
  t.deepEqual(
    await database.query(
      `SELECT transport, topic, message_id, instance_id, convert_from(body, 'utf8') AS body FROM notification_outbox`,
    ),
    [{ transport: 'plain', topic: 'events', message_id: 'm-1', instance_id: 'i1', body: 'x' }],
  );
  const [first] = await database.query<{ id: string }>('SELECT id::text FROM dead_letters ORDER BY id');
  const again = await redriveLetters(context, { transport: 'plain', ids: [first?.id ?? ''] });
  t.deepEqual(again.outcomes, {});
  t.is((await database.query('SELECT FROM notification_outbox')).length, 1);
});

test('the notification of a redriven letter is stored with its mark', async (t) => {
  const { database, context } = await prepared(t);
  await apply(context, [native('notify_end', { serialized_notification: 7 })]);
  await database.query('UPDATE dead_letters SET edited_body = $1', [
    Buffer.from(JSON.stringify({ method: 'notify_end', args: noticeArgs('i1', 'r1') })),
  ]);
  t.like(await redrive(context, database), { outcomes: { applied: 1 }, notifies: true });
  t.deepEqual(await database.query('SELECT topic, instance_id FROM notification_outbox'), [
    { topic: 'notifications.info', instance_id: 'i1' },
  ]);
});
