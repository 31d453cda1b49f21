import test from 'ava';
import { pino } from 'pino';
import { type BatchResult, outcomeKinds } from '../../src/core/message/outcome.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { WorkerPool } from '../../src/workers/pool.ts';
import { createDatabase } from '../support/database.ts';
import { noticeBody } from '../support/notices.ts';
import { freePort } from '../support/ports.ts';
import { heartbeatMessage } from '../support/signed.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf, workerSettings } from '../support/worker.ts';
import { delivery } from '../workers/delivery-support.ts';
import { lateDeath } from '../workers/programs/dangerous-manager.ts';

/** Messages that end the worker thread that runs them, and threads that die by themselves. */

function heartbeat(instance: string, method = 'heartbeat'): Delivery {
  return delivery(JSON.stringify({ ...heartbeatMessage(instance), method }));
}

const kindsOf = ({ codes }: BatchResult) => [...codes].map((code) => outcomeKinds[code]);
const reasonsOf = ({ dead }: BatchResult) => dead.map(({ reason }) => reason);

async function openPool(
  t: Parameters<typeof createDatabase>[0],
  url: string,
  overrides: Parameters<typeof workerSettings>[1] = {},
  logger = pino({ level: 'silent' }),
) {
  const managerModule = new URL('../workers/programs/dangerous-manager.ts', import.meta.url).href;
  const settings = { ...workerSettings(url, { concurrency: 2, ...overrides }), managerModule };
  const pool = new WorkerPool({ threads: 1, maxBody: 262_144, settings, logger });
  t.teardown(() => pool.close());
  return pool;
}

/** A pool, and a database that knows these instances. */
async function prepared(t: Parameters<typeof createDatabase>[0], ...instances: string[]) {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, ...instances);
  return { database, pool: await openPool(t, database.url) };
}

test('an error of a worker tells of each server of the database that does not answer', async (t) => {
  const [one, other] = [await freePort(), await freePort()];
  const pool = await openPool(t, `postgresql://conductor@127.0.0.1:${one},127.0.0.1:${other}/postgres`);
  const message = new RegExp(
    `ECONNREFUSED.*:${one}.*ECONNREFUSED.*:${other}|ECONNREFUSED.*:${other}.*ECONNREFUSED.*:${one}`,
  );
  await t.throwsAsync(pool.claimNotifications('plain'), { message });
});

test('a message that ends its worker is run apart the second time, and is dead when it ends one alone; the others are applied', async (t) => {
  const { database, pool } = await prepared(t, 'i1', 'i2', 'i3');
  const [ill, well] = await Promise.all([
    pool.run('plain', [heartbeat('i1'), heartbeat('i9', 'exit'), heartbeat('i2')]),
    // In the same thread at the same time.
    pool.run('plain', [heartbeat('i3')]),
  ]);
  t.deepEqual(kindsOf(ill), ['applied', 'dead', 'applied']);
  t.deepEqual(reasonsOf(ill), ['crash']);
  // It may have been committed before the thread died: then it is found to be a duplicate.
  const [kind] = kindsOf(well);
  t.true(['applied', 'duplicate'].includes(kind ?? 'none'));
  for (const id of ['i1', 'i2', 'i3']) t.is((await statusOf(database, id))?.status_description, 'running');
  const letters = await database.query('SELECT reason, body FROM dead_letters');
  t.is(letters.length, 1);
  t.like(letters[0], { reason: 'crash' });
  t.is(JSON.parse(String(letters[0]?.body)).method, 'exit');
});

test('a thread that dies while it has nothing to do ends nothing: the log says so, and another thread takes its place', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1', 'i2');
  const lines: string[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
  const pool = await openPool(t, database.url, {}, logger);
  t.deepEqual(kindsOf(await pool.run('plain', [heartbeat('i1', 'late')])), ['applied']);
  const channel = new BroadcastChannel(lateDeath);
  channel.postMessage('die');
  await waitFor(() => lines.length > 0, { what: 'the thread to die' });
  channel.close();
  t.is(lines.length, 1);
  t.like(JSON.parse(lines[0] ?? ''), {
    msg: 'a worker died while it had nothing to do; another one takes its place',
    error: 'a mistake in a listener',
  });
  t.deepEqual(kindsOf(await pool.run('plain', [heartbeat('i2')])), ['applied']);
});

test('a message that ends its worker costs its batch few transactions: the others run again in parts, and each is applied', async (t) => {
  const instances = Array.from({ length: 400 }, (_, index) => `i${index}`);
  const { database, pool } = await prepared(t, ...instances);
  const transactions = async () => {
    const [row] = await database.query<{ count: number }>(
      'SELECT count(DISTINCT xmin::text)::int AS count FROM service_statuses',
    );
    return row?.count ?? 0;
  };
  const deliveries = instances.map((instance) => heartbeat(instance));
  deliveries.splice(137, 0, heartbeat('i9', 'exit'));
  const outcomes = kindsOf(await pool.run('plain', deliveries));
  t.deepEqual([outcomes.indexOf('dead'), outcomes.lastIndexOf('dead')], [137, 137]);
  t.is(outcomes.filter((kind) => kind === 'applied').length, 400);
  // 20 parts of 21 messages, and the messages of one of them.
  t.true((await transactions()) <= 41, `${await transactions()} transactions`);
});

test('each call is answered except those that ended their worker', async (t) => {
  const { url } = await createDatabase(t, { migrated: true });
  const { calls } = workerSettings(url);
  const pool = await openPool(t, url, { calls: { ...calls, concurrency: 40 } });
  const call = (method: string) =>
    pool.call('plain', delivery(JSON.stringify({ method, args: {} }), { replyTo: 'me' }), {
      timeout: 10_000,
      losses: 0,
    });
  const results = await Promise.all([...Array.from({ length: 39 }, () => call('linger')), call('leave')]);
  t.deepEqual(
    results.map(({ outcome }) => outcome),
    [...Array.from({ length: 39 }, () => 'answered' as const), 'dead'],
  );
});

test('messages that wait for the quarantine continue when the message before them ends the thread there', async (t) => {
  const { pool } = await prepared(t);
  const results = await Promise.all([
    pool.run('plain', [heartbeat('i9', 'exit')]),
    pool.run('plain', [heartbeat('i1', 'exit')]),
  ]);
  t.deepEqual(results.map(reasonsOf), [['crash'], ['crash']]);
});

test('a dead letter that ends its worker again is dead again with reason crash; the others are redriven', async (t) => {
  const { database, pool } = await prepared(t, 'i1', 'i2');
  for (const [instance, method] of [
    ['i1', 'heartbeat'],
    ['i9', 'exit'],
    ['i2', 'heartbeat'],
  ] as const) {
    const { body } = heartbeat(instance, method);
    await database.query(
      `INSERT INTO dead_letters (transport, reason, body, body_size, body_digest, redrive_at)
       VALUES ('plain', 'refused', $1, $2, '', now())`,
      [body, body.length],
    );
  }
  t.like(await pool.redrive('plain'), { outcomes: { applied: 2, dead: 1 }, isUnfinished: false });
  t.deepEqual(await database.query('SELECT reason, redrive_outcome FROM dead_letters ORDER BY id'), [
    { reason: 'refused', redrive_outcome: 'applied' },
    { reason: 'crash', redrive_outcome: 'dead' },
    { reason: 'refused', redrive_outcome: 'applied' },
  ]);
  for (const id of ['i1', 'i2']) t.is((await statusOf(database, id))?.status_description, 'running');
});

test('a message that uses up the memory ends its thread, not the process', async (t) => {
  const { pool } = await prepared(t, 'i1');
  const result = await pool.run('plain', [heartbeat('i9', 'allocate'), heartbeat('i1')]);
  t.deepEqual(kindsOf(result), ['dead', 'applied']);
  t.deepEqual(reasonsOf(result), ['crash']);
});

test('the pool tells of a notification although another message has ended the worker', async (t) => {
  const { database, pool } = await prepared(t);
  const notice = delivery(noticeBody('native', 'i1', 'req-1'));
  const result = await pool.run('plain', [heartbeat('i9', 'exit'), notice]);
  t.deepEqual(kindsOf(result), ['dead', 'applied']);
  t.true(result.notifies);
  t.deepEqual(await database.query('SELECT topic FROM notification_outbox'), [
    { topic: 'notifications.info' },
  ]);
});
