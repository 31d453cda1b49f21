import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { isObject } from '../../src/core/json.ts';
import { decode } from '../../src/workers/batch/read.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import { lockWith } from '../faults/databases.ts';
import { maintain } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { native, raw } from '../support/worker.ts';
import { type Caller, callerOn, openCaller } from './support.ts';

const test = needs(ava, 'postgres');

const rowsIn = async ({ database }: Caller, table = 'things') =>
  (await database.query(`SELECT FROM ${table}`)).length;

test('a repeated call gets the first answer and changes nothing, for every method', async (t) => {
  const caller = await openCaller(t);
  const { answer, result } = caller;
  const create = () =>
    answer('model_create', { model: 'thing', values: { name: 'a', doc: [1.5, 'é'] } }, { messageId: 'c' });
  const created = await create();
  t.deepEqual(await create(), created);
  t.is(await rowsIn(caller), 1);
  const row = isObject(created.result) ? created.result : {};
  const { id } = row;

  const update = () =>
    answer('model_update', { model: 'thing', id, values: { name: 'b' } }, { messageId: 'u' });
  const updated = await update();
  await result('model_update', { model: 'thing', id, values: { name: 'c' } });
  t.deepEqual(await update(), updated);
  t.like(await result('model_get', { model: 'thing', id }), { name: 'c' });

  const remove = () => answer('model_delete', { model: 'thing', id }, { messageId: 'd' });
  t.deepEqual(await remove(), { result: { count: 1 } });
  t.deepEqual(await remove(), { result: { count: 1 } });
  t.is(await rowsIn(caller), 0);
});

test('a message id that comes again with another body is refused', async (t) => {
  const caller = await openCaller(t);
  await caller.result('model_create', { model: 'thing', values: { name: 'a' } }, { messageId: 'm' });
  t.is(
    await caller.refusal('model_create', { model: 'thing', values: { name: 'b' } }, { messageId: 'm' }),
    'Conflict message_id: another call has come with the message id "m"',
  );
  t.is(await rowsIn(caller), 1);
});

test('the same message id from another sender is another call', async (t) => {
  const caller = await openCaller(t);
  const args = { model: 'thing', values: { name: 'a' } };
  await caller.result('model_create', args, { messageId: 'm' });
  t.regex(
    await caller.refusal('model_create', args, { messageId: 'm', sender: 'reader' }),
    /^Forbidden undefined: reader is not granted model_create/,
  );
  t.deepEqual(await caller.database.query('SELECT principal, message_id FROM call_results'), [
    { principal: 'service api', message_id: 'm' },
  ]);
});

for (const [what, messageId, problem] of [
  [
    'without a message id',
    undefined,
    'model_delete changes something: it needs a message id, so that a repetition is recognized',
  ],
  [
    'with an empty message id',
    '',
    'model_delete changes something: it needs a message id, so that a repetition is recognized',
  ],
  [
    'with a message id beyond reason',
    'x'.repeat(256),
    "the message id or the sender's name has more than 255 characters",
  ],
] as const) {
  test(`a mutating call is refused ${what}`, async (t) => {
    const { refusal } = await openCaller(t);
    t.is(
      await refusal('model_delete', { model: 'thing', id: randomUUID() }, { messageId }),
      `BadRequest message_id: ${problem}`,
    );
  });
}

test('a call that was refused is tried again when it is repeated', async (t) => {
  const caller = await openCaller(t);
  const id = randomUUID();
  const update = () =>
    caller.answer('model_update', { model: 'thing', id, values: { name: 'b' } }, { messageId: 'm' });
  t.is((await update()).error?.class, 'NotFound');
  t.deepEqual(await caller.database.query('SELECT FROM call_results'), []);
  await caller.result('model_create', { model: 'thing', values: { id } });
  t.like((await update()).result, { name: 'b' });
});

test('two replicas that get the same message at once act once and give one answer', async (t) => {
  const caller = await openCaller(t);
  const others = [callerOn(t, caller.database), callerOn(t, caller.database)];
  const args = { model: 'thing', values: [{ name: 'a' }, { name: 'b' }] };
  for (let round = 0; round < 10; round += 1) {
    const messageId = `m-${round}`;
    const answers = await Promise.all(
      [caller, ...others, caller].map((one) => one.answer('model_create', args, { messageId })),
    );
    for (const answer of answers) t.deepEqual(answer, answers[0]);
    t.like(answers[0], { result: { count: 2 } });
    t.is(await rowsIn(caller), 2 * (round + 1));
  }
});

test('a repetition waits for the first call, even longer than database.lockTimeout', async (t) => {
  const caller = await openCaller(t, { database: { lockTimeout: 50 }, calls: { timeout: 20_000 } });
  const other = callerOn(t, caller.database, { database: { lockTimeout: 50 }, calls: { timeout: 20_000 } });
  // The first one waits in a trigger until the test lets it go on.
  await caller.database.query(
    `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN SET LOCAL lock_timeout = 0; PERFORM pg_advisory_xact_lock(1); RETURN new; END $$;
     CREATE TRIGGER wait BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION wait()`,
  );
  const gate = await lockWith(t, caller.database, 'SELECT pg_advisory_lock(1)');
  const args = { model: 'thing', values: {} };
  const first = caller.answer('model_create', args, { messageId: 'm' });
  await waitFor(async () => (await waiting(caller, 'advisory')) === 1, { what: 'the first to wait' });
  const second = other.answer('model_create', args, { messageId: 'm' });
  await waitFor(async () => (await waiting(caller, 'transactionid')) === 1, { what: 'the second to wait' });
  // Several times what it may wait for any other lock; by the clock of the server, which counts that time.
  await waitFor(async () => (await longestWait(caller)) > 250, { what: 'the second to have waited' });
  await gate.release();
  t.deepEqual(await second, await first);
  t.like(await first, { result: { name: null } });
  t.is(await rowsIn(caller), 1);
});

async function waiting({ database }: Caller, event: string): Promise<number> {
  const rows = await database.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = $1`,
    [event],
  );
  return rows.length;
}

/** Milliseconds since the oldest statement began that waits for a transaction. */
async function longestWait({ database }: Caller): Promise<number> {
  const [row] = await database.query<{ ms: number }>(
    `SELECT extract(epoch FROM clock_timestamp() - min(query_start))::double precision * 1000 AS ms
     FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'`,
  );
  return row?.ms ?? 0;
}

test("in oslo's form the unique id tells calls apart", async (t) => {
  const caller = await openCaller(t);
  const { context, database } = caller;
  const call = async (uniqueId: string | undefined) => {
    const message = {
      method: 'model_create',
      args: { model: 'thing', values: {} },
      version: '1.0',
      _msg_id: 'asked',
      _reply_q: 'replies',
      _unique_id: uniqueId,
    };
    const body = JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
    const { reply } = await runCall({ state: open, raw: raw(body), transport: 'oslo', timeout: 5000 });
    const { 'oslo.message': inner }: Record<string, string> = JSON.parse(
      Buffer.from(reply?.body ?? '').toString(),
    );
    const { result, failure }: { result: { id: string } | null; failure: string | null } = JSON.parse(
      inner ?? '',
    );
    return failure ?? result?.id;
  };
  const { services } = context.settings.access;
  const api = services.get('api');
  if (api === undefined) throw new Error('no service');
  const access = { ...context.settings.access, services: new Map([['anonymous', api]]) };
  const open = { ...context, settings: { ...context.settings, access } };
  const first = await call('u-1');
  t.is(await call('u-1'), first);
  t.not(await call('u-2'), first);
  t.regex(String(await call(undefined)), /"class":"BadRequest".*needs a message id/);
  t.is((await database.query('SELECT FROM things')).length, 2);
});

test('answers are deleted after their retention time, and the oldest ones if there are too many', async (t) => {
  const caller = await openCaller(t, { calls: { maxResults: 3 } });
  const { context, database, result } = caller;
  const ids = async () =>
    (await database.query<{ message_id: string }>('SELECT message_id FROM call_results ORDER BY id')).map(
      ({ message_id }) => message_id,
    );
  for (const messageId of ['1', '2', '3', '4', '5'])
    await result('model_create', { model: 'thing', values: {} }, { messageId });
  t.like(await maintain(context), { retried: 0 });
  t.deepEqual(await ids(), ['3', '4', '5']);
  await database.query(
    "UPDATE call_results SET called_at = now() - interval '1 minute' WHERE message_id = '3'",
  );
  await maintain(context);
  t.deepEqual(await ids(), ['4', '5']);
});

test('a call without a reply address is refused like a cast', async (t) => {
  const { context } = await openCaller(t);
  for (const method of ['model_create', 'model_get', 'model_list', 'model_update', 'model_delete']) {
    const raw = native(method, { model: 'thing' }, { messageId: 'm', sender: 'api', senderProof: 'subject' });
    const work = decode(raw, 0, 'proven', context.manager, context.settings);
    t.like(work, { task: { kind: 'dead', reason: 'not_a_cast' } });
  }
});
