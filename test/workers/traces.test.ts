import ava from 'ava';
import { CALL } from '../../src/core/message/outcome.ts';
import type { TraceContext } from '../../src/core/message/trace-context.ts';
import { boundOutboxJob } from '../../src/jobs/outbox.ts';
import { applyBatch } from '../../src/workers/batch/apply.ts';
import { decode } from '../../src/workers/batch/read.ts';
import { claimOutbox } from '../../src/workers/outbox.ts';
import { TransactionLog } from '../../src/workers/postgres/transaction-log.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { dueLetters, redriveLetters } from '../../src/workers/redrive.ts';
import { retryDeferred } from '../../src/workers/retry.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { noticeArgs } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { apply, backup, heartbeat, insertInstances, native, openContext, raw } from '../support/worker.ts';

/** The context of a message in the rows that it leaves. */

const test = needs(ava, 'postgres');

const traceOf = (number: number): TraceContext => ({
  traceparent: `00-${String(number).padStart(32, '0')}-00f067aa0ba902b7-01`,
  tracestate: `n=${number}`,
});
const [one, two] = [traceOf(1), traceOf(2)];

async function tracesIn({ query }: TestDatabase, table: string) {
  const rows = await query<{ trace: TraceContext | null }>(
    `SELECT trace_context AS trace FROM ${table} ORDER BY 1::text`,
  );
  return rows.map(({ trace }) => trace);
}

test('a notification keeps the context of its message, also as a dead letter and back in the outbox', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1', 'i2');
  const notice = (instance: string) => native('notify_end', noticeArgs(instance, 'r'));
  await apply(context, [{ ...notice('i1'), trace: one }, notice('i2')]);
  const claimed = await claimOutbox(context, 'plain');
  t.deepEqual(
    claimed.map(({ trace }) => trace),
    [one, null],
  );
  await database.query("UPDATE notification_outbox SET created_at = now() - interval '2 hours'");
  const bounds = { maxRows: 1000, maxAge: 3_600_000, redact: [] };
  const job = boundOutboxJob({ ...bounds, database: jobsDatabaseOf(context), onDead: () => {} });
  await job.run(new AbortController().signal);
  t.deepEqual(await tracesIn(database, 'notification_outbox'), []);
  t.deepEqual(await tracesIn(database, 'dead_letters'), [one, null]);
  await database.query('UPDATE dead_letters SET redrive_at = now()');
  const { ids } = await dueLetters(context, 'plain');
  t.like(await redriveLetters(context, { transport: 'plain', ids }), { outcomes: { applied: 2 } });
  t.deepEqual(await tracesIn(database, 'notification_outbox'), [one, null]);
});

test('a deferred message keeps the context of the newest message that has one, and its retry has it', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  const deferred = async (sent: number, trace?: TraceContext) => {
    await apply(context, [{ ...heartbeat('i1', sent, 'running'), ...(trace && { trace }) }]);
    return tracesIn(database, 'deferred');
  };
  t.deepEqual(await deferred(1), [null]);
  t.deepEqual(await deferred(3, one), [one]);
  t.deepEqual(await deferred(2, two), [one], 'an older message changes nothing');
  t.deepEqual(await deferred(4), [one]);
  t.deepEqual(await deferred(5, two), [two]);
  await insertInstances(database, 'i1');
  await database.query('UPDATE deferred SET next_attempt_at = now()');
  const { outcomes, traces } = await retryDeferred(context, 'plain');
  t.deepEqual([outcomes, traces], [{ applied: 1 }, [two]]);
});

test('a message that dies in deferred, and one that dies at once, leave their contexts to their letters', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, {
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 1, maxRows: 1000 },
  });
  await apply(context, [{ ...heartbeat('i1', 1, 'running'), trace: one }]);
  await database.query(
    "UPDATE deferred SET first_deferred_at = now() - interval '1 h', next_attempt_at = now()",
  );
  t.deepEqual((await retryDeferred(context, 'plain')).outcomes, { dead: 1 });
  await apply(context, [{ ...native('no_such', { instance_id: 'i2' }), trace: two }, native('no_such', {})]);
  t.deepEqual(await tracesIn(database, 'dead_letters'), [one, two, null]);
  await insertInstances(database, 'i1', 'i2');
  const edited = JSON.stringify({ method: 'notify_end', args: noticeArgs('i2', 'r') });
  await database.query("UPDATE dead_letters SET edited_body = $1 WHERE method = 'no_such'", [edited]);
  await database.query('UPDATE dead_letters SET redrive_at = now()');
  const { ids } = await dueLetters(context, 'plain');
  const { outcomes, traces } = await redriveLetters(context, { transport: 'plain', ids });
  t.deepEqual([outcomes, traces], [{ applied: 3 }, [one, two]]);
  t.deepEqual(await tracesIn(database, 'notification_outbox'), [two, null]);
});

test('the notification of a retried message has its context', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await database.query(
    `INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at, trace_context)
     VALUES ('notify_end', 'i1', 'i1', 'plain', $1, 'contended', now(), $2)`,
    [JSON.stringify(noticeArgs('i1', 'r1')), JSON.stringify(one)],
  );
  t.like(await retryDeferred(context, 'plain'), { outcomes: { applied: 1 }, traces: [one] });
  t.deepEqual(await tracesIn(database, 'notification_outbox'), [one]);
});

test('a message that a newer one takes along, and that is deferred again, keeps its context', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  // In oslo's form they need no `sent`.
  const unguarded = (id: string) => {
    const args = { instance_id: 'i1', backup_id: 'b1' };
    const message = { method: 'update_backup', args, version: '1.0', _unique_id: id };
    return raw(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) }));
  };
  t.deepEqual(await apply(context, [{ ...unguarded('u1'), trace: one }], 'oslo'), ['deferred: unknown']);
  t.deepEqual(await apply(context, [unguarded('u2')], 'oslo'), ['deferred: unknown']);
  t.deepEqual(await tracesIn(database, 'deferred'), [one]);
});

test('a tracestate that Postgres cannot store does not harm its message', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  const hostile = { traceparent: one.traceparent, tracestate: 'a=\0' };
  const messages = [
    { ...heartbeat('i1', 1, 'running'), trace: hostile },
    { ...native('no_such', {}), trace: hostile },
    { ...backup('i1', 'b1', 1, {}), trace: hostile },
  ];
  t.deepEqual(await apply(context, messages), [
    'deferred: unknown',
    'dead: unknown_method',
    'deferred: unknown',
  ]);
  const { traceparent } = one;
  t.deepEqual(await tracesIn(database, 'deferred'), [{ traceparent }, { traceparent }]);
  t.deepEqual(await tracesIn(database, 'dead_letters'), [{ traceparent }]);
});

test('the notification of a changed status has the context of the last message of its instance in the batch', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const publishTransitions = JSON.stringify({ transport: 'plain', topic: 'status' });
  const context = openContext(t, database, { database: { publishTransitions } });
  await insertInstances(database, 'i1', 'i2');
  const batch = async (...messages: RawMessage[]) => {
    const items = messages.map((message, index) =>
      decode(message, index, 'plain', context.manager, context.settings),
    );
    const casts = items.filter((item) => item !== CALL);
    await applyBatch(context, casts, undefined, casts.length, new TransactionLog('0'.repeat(32)));
    const rows = await database.query<{ instance: string; trace: TraceContext | null }>(
      'SELECT instance_id AS instance, trace_context AS trace FROM notification_outbox ORDER BY id',
    );
    return rows.map(({ instance, trace }) => [instance, trace]);
  };
  t.deepEqual(await batch(heartbeat('i1', 1, 'building')), [['i1', null]]);
  const notice = native('notify_end', noticeArgs('i2', 'r'));
  const rows = await batch({ ...heartbeat('i1', 2, 'running'), trace: two }, heartbeat('i2', 1, 'running'), {
    ...notice,
    trace: one,
  });
  t.deepEqual(rows.slice(0, 1), [['i1', null]], 'the row of an earlier batch stays as it is');
  t.deepEqual(rows.slice(1).sort(), [
    ['i1', two],
    ['i2', null],
    ['i2', one],
  ]);
});

test('the notification of a changed status has the context of the retried message that changed it', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const publishTransitions = JSON.stringify({ transport: 'plain', topic: 'status' });
  const context = openContext(t, database, { database: { publishTransitions } });
  await apply(context, [{ ...heartbeat('i1', 1, 'running'), trace: one }, heartbeat('i2', 1, 'running')]);
  await insertInstances(database, 'i1', 'i2');
  await database.query('UPDATE deferred SET next_attempt_at = now()');
  t.like(await retryDeferred(context, 'plain'), { outcomes: { applied: 2 } });
  const rows = await database.query(
    'SELECT instance_id, trace_context AS trace FROM notification_outbox ORDER BY instance_id',
  );
  t.deepEqual(rows, [
    { instance_id: 'i1', trace: one },
    { instance_id: 'i2', trace: null },
  ]);
});
