import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { claimDeferred } from '../../src/workers/batch/leftovers/sql/claim-deferred.ts';
import { deleteDeferred } from '../../src/workers/batch/leftovers/sql/delete-deferred.ts';
import { inTransaction } from '../../src/workers/postgres/transaction.ts';
import { createDatabase } from '../support/database.ts';
import { maintain } from '../support/maintain.ts';
import { waitFor } from '../support/wait.ts';
import {
  apply,
  backup,
  heartbeat,
  insertBackup,
  insertInstances,
  native,
  openContext,
  raw,
  statusOf,
} from '../support/worker.ts';

async function prepared(t: ExecutionContext, overrides?: Parameters<typeof openContext>[2]) {
  const database = await createDatabase(t, { migrated: true });
  return { database, context: openContext(t, database, overrides) };
}

test('a message about an unknown instance is deferred, and applied once the instance is there', async (t) => {
  const { database, context } = await prepared(t);
  t.deepEqual(await apply(context, [heartbeat('late', 10, 'running')]), ['deferred: unknown']);
  await waitFor(async () => (await maintain(context)).retried === 1, { what: 'the first retry' });
  t.is((await database.query('SELECT FROM deferred WHERE attempts = 2')).length, 1);
  await insertInstances(database, 'late');
  await waitFor(async () => (await maintain(context)).resolved === 1, { what: 'the retry that finds it' });
  t.like(await statusOf(database, 'late'), { status_description: 'running', sent: 10 });
  t.is((await database.query('SELECT FROM deferred')).length, 0);
});

test('deferred messages about one key are stored once, folded', async (t) => {
  const { database, context } = await prepared(t);
  await apply(context, [
    heartbeat('i1', 20, 'running'),
    heartbeat('i1', 10, 'building'),
    heartbeat('i1', 99),
    heartbeat('i2', 10, 'restart required'),
    heartbeat('i2', 20, 'running'),
    backup('i1', 'b1', 10, { state: 'BUILDING', location: 'there' }),
  ]);
  await apply(context, [
    heartbeat('i1', 15, 'crashed'),
    backup('i1', 'b1', 20, { state: 'COMPLETED' }),
    backup('i1', 'b1', 5, { size: 1 }),
  ]);
  t.is((await database.query('SELECT FROM deferred')).length, 3);
  await insertInstances(database, 'i1', 'i2');
  await insertBackup(database, 'b1', 'i1');
  await waitFor(async () => (await maintain(context)).resolved === 3, { what: 'all three to be applied' });
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 20 });
  t.like(await statusOf(database, 'i2'), { status_description: 'restart required' });
  const [row] = await database.query('SELECT state, size, location, sent FROM backups');
  t.deepEqual(row, { state: 'COMPLETED', size: null, location: 'there', sent: 20 });
});

test('a deferred message that is too old becomes a dead letter', async (t) => {
  const { database, context } = await prepared(t, {
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 1, maxRows: 10 },
  });
  await apply(context, [heartbeat('never', 10, 'running')]);
  await waitFor(async () => (await maintain(context)).resolved === 1, { what: 'it to be given up' });
  const [letter] = await database.query('SELECT reason, method, instance_id, body FROM dead_letters');
  t.like(letter, { reason: 'never_known', method: 'heartbeat', instance_id: 'never' });
  t.deepEqual(JSON.parse(String(letter?.body)).args, {
    instance_id: 'never',
    sent: 10,
    payload: { service_status: 'running' },
  });
});

test('beyond maxRows the oldest deferred messages become dead letters', async (t) => {
  const { database, context } = await prepared(t, {
    deferred: { firstDelay: 60_000, maxDelay: 60_000, maxAge: 3_600_000, maxRows: 2 },
  });
  for (const id of ['first', 'second', 'third', 'fourth'])
    await apply(context, [heartbeat(id, 10, 'running')]);
  t.like(await maintain(context), { retried: 2, resolved: 2 });
  const kept = await database.query('SELECT instance_id FROM deferred ORDER BY first_deferred_at');
  t.deepEqual(
    kept.map(({ instance_id }) => instance_id),
    ['third', 'fourth'],
  );
});

test('a newer message that is deferred while an older one is retried is not lost', async (t) => {
  const { database, context } = await prepared(t);
  const { preparedStatements } = context.settings.database;
  await apply(context, [heartbeat('i1', 10, 'building')]);
  const options = {
    ...{ limit: 10, firstDelay: 1, maxDelay: 1, maxAge: 1000, maxRows: 10 },
    ...{ transport: 'plain', methods: ['heartbeat'] },
  };
  const claim = () => inTransaction(context.pool, { preparedStatements }, (db) => claimDeferred(db, options));
  const claimed = await waitFor(async () => nonEmpty(await claim()), { what: 'the message to be due' });
  await apply(context, [heartbeat('i1', 20, 'running')]);
  await inTransaction(context.pool, { preparedStatements }, (db) => deleteDeferred(db, claimed));
  const [row] = await database.query('SELECT sent, args FROM deferred');
  t.is(row?.sent, 20);
  t.is(row?.args.payload.service_status, 'running');
});

function nonEmpty<Item>(items: Item[]): Item[] | undefined {
  return items.length === 0 ? undefined : items;
}

test('beyond maxRows the oldest dead letters are deleted', async (t) => {
  const { database, context } = await prepared(t, { deadLetters: { maxRows: 3, stormShare: 1 } });
  for (const body of ['1', '2', '3', '4', '5']) await apply(context, [raw(body)]);
  await maintain(context);
  const letters = await database.query<{ body: Buffer }>('SELECT body FROM dead_letters ORDER BY id');
  t.deepEqual(
    letters.map(({ body }) => String(body)),
    ['3', '4', '5'],
  );
});

test('a message that the database refuses becomes a dead letter, and the others are applied', async (t) => {
  const { database, context } = await prepared(t);
  const ids = Array.from({ length: 20 }, (_, index) => `i${index}`);
  await insertInstances(database, ...ids);
  await database.query("ALTER TABLE service_statuses ADD CHECK (status_description <> 'crashed')");
  const outcomes = await apply(context, [
    ...ids.map((id) => heartbeat(id, 1, id === 'i7' ? 'crashed' : 'running')),
    raw('no JSON'),
  ]);
  t.deepEqual(outcomes, [...ids.map((id) => (id === 'i7' ? 'dead: refused' : 'applied')), 'dead: not_json']);
  const letters = await database.query('SELECT reason, instance_id FROM dead_letters ORDER BY reason');
  t.deepEqual(letters, [
    { reason: 'not_json', instance_id: null },
    { reason: 'refused', instance_id: 'i7' },
  ]);
});

test('if the database refuses the row of several folded messages, they are applied one by one', async (t) => {
  const { database, context } = await prepared(t);
  await insertInstances(database, 'i1');
  await database.query("ALTER TABLE service_statuses ADD CHECK (status_description <> 'crashed')");
  const batch = [
    heartbeat('i1', 30, 'crashed'),
    heartbeat('i1', 10, 'building'),
    heartbeat('i1', 20, 'running'),
  ];
  t.deepEqual(await apply(context, batch), ['dead: refused', 'applied', 'applied']);
  t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 20 });
});

test('a row that another session has locked defers only its own message', async (t) => {
  const { database, context } = await prepared(t, { database: { lockTimeout: 100 } });
  const ids = Array.from({ length: 50 }, (_, index) => `i${index}`);
  await insertInstances(database, ...ids);
  await apply(
    context,
    ids.map((id) => heartbeat(id, 1, 'building')),
  );
  const locker = await context.pool.connect();
  try {
    await locker.query('BEGIN');
    await locker.query("SELECT FROM service_statuses WHERE instance_id = 'i13' FOR UPDATE");
    const outcomes = await apply(
      context,
      ids.map((id) => heartbeat(id, 2, 'running')),
    );
    t.deepEqual(
      outcomes,
      ids.map((id) => (id === 'i13' ? 'deferred: locked' : 'applied')),
    );
  } finally {
    await locker.query('ROLLBACK');
    locker.release();
  }
  await waitFor(async () => (await maintain(context)).resolved === 1, { what: 'the retry after the lock' });
  t.like(await statusOf(database, 'i13'), { status_description: 'running', sent: 2 });
});

test('a locked table blames no message: unapplied messages are held, and isolating ends soon', async (t) => {
  const { database, context } = await prepared(t, { database: { lockTimeout: 50 } });
  const ids = Array.from({ length: 400 }, (_, index) => `i${index}`);
  await insertInstances(database, ...ids);
  const batch = ids.map((id) => heartbeat(id, 1, 'running'));
  const locker = await context.pool.connect();
  try {
    await locker.query('BEGIN');
    await locker.query('LOCK TABLE service_statuses');
    const outcomes = await apply(context, batch);
    t.true(outcomes.filter((outcome) => outcome === 'deferred: locked').length <= 128);
    t.true(outcomes.filter((outcome) => /^held: .*lock timeout/.test(outcome)).length >= 272);
  } finally {
    await locker.query('ROLLBACK');
    locker.release();
  }
  t.true((await apply(context, batch)).every((outcome) => outcome === 'applied'));
});

test('a dead letter whose row the database refuses is stored without content from outside', async (t) => {
  const { database, context } = await prepared(t);
  await database.query('ALTER TABLE dead_letters ADD CHECK (detail IS NULL)');
  t.deepEqual(await apply(context, [raw('no JSON')]), ['dead: not_json']);
  const [letter] = await database.query('SELECT reason, detail, body FROM dead_letters');
  t.like(letter, { reason: 'not_json', detail: null });
});

test('a dead letter keeps at most 64 KiB of the body, with the digest of the whole body', async (t) => {
  const { database, context } = await prepared(t);
  const body = Buffer.alloc(100_000, 'x');
  const digest = createHash('sha256').update('all of the 16 MiB').digest();
  const oversize = { size: 16 * 1024 * 1024, digest };
  t.deepEqual(await apply(context, [raw(body), raw(body.subarray(0, 65_536), { oversize })]), [
    'dead: not_json',
    'dead: too_large',
  ]);
  const [whole, cut] = await database.query(
    'SELECT body, body_size, body_digest FROM dead_letters ORDER BY id',
  );
  t.is(whole?.body.length, 65_536);
  t.is(whole?.body_size, 100_000);
  t.deepEqual(whole?.body_digest, createHash('sha256').update(body).digest());
  t.is(cut?.body_size, 16 * 1024 * 1024);
  t.deepEqual(cut?.body_digest, digest);
});

test('text from outside is stored escaped and capped', async (t) => {
  const { database, context } = await prepared(t);
  const outcomes = await apply(context, [
    native('no\u0000such\u001b[31m', {}, { messageId: 'm\u0000\ud800', sender: 's'.repeat(1000) }),
    native('heartbeat', { instance_id: 'x'.repeat(10_000) }),
  ]);
  t.deepEqual(outcomes, ['dead: unknown_method', 'dead: bad_argument']);
  const [first, second] = await database.query(
    'SELECT method, message_id, sender, instance_id FROM dead_letters ORDER BY id',
  );
  t.is(first?.method, 'no\\u0000such\\u001b[31m');
  t.is(first?.message_id, 'm\\u0000\ufffd');
  t.is(first?.sender.length, 128);
  t.is(second?.instance_id.length, 64);
});

test('a batch is held without a commit if the database is not there', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const gone = openContext(t, { ...database, url: 'postgresql://conductor@127.0.0.1:1/none' });
  const outcomes = await apply(gone, [heartbeat('i1', 1, 'running'), raw('no JSON')]);
  t.true(outcomes.every((one) => /^held: .*ECONNREFUSED/.test(one)));
});
