import { randomUUID } from 'node:crypto';
import ava, { type ExecutionContext } from 'ava';
import type { JsonObject } from '../../src/core/json.ts';
import { replicaRole } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { callerOn, openCaller } from './support.ts';

const test = needs(ava, 'postgres');

/** A caller, and its calls about rows of `thing`. */
async function openThings(t: ExecutionContext, overrides?: Parameters<typeof openCaller>[1]) {
  const caller = await openCaller(t, overrides);
  const update = (args: JsonObject) => caller.result('model_update', { model: 'thing', ...args });
  const refused = (method: string, args: JsonObject) => caller.refusal(method, { model: 'thing', ...args });
  return { ...caller, update, refused };
}

test('a Trove row is created, read, updated and deleted, with the times that Trove keeps', async (t) => {
  const { database, result, refusal } = await openCaller(t);
  await database.query("SET TIME ZONE 'America/New_York'");
  const values = { name: 'db one', tenant_id: 't1', task_id: 2, volume_size: 5 };
  const created = await result('model_create', { model: 'instance', values });
  t.like(created, { ...values, deleted: false, deleted_at: null, hostname: null });
  t.regex(String(created.id), /^[0-9a-f]{8}-/);
  t.false('encrypted_key' in created);
  const { id, created: at } = created;
  t.regex(String(at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  t.true(Math.abs(Date.parse(String(at)) - Date.now()) < 60_000, 'it is UTC');
  t.deepEqual(await result('model_get', { model: 'instance', id }), created);

  const updated = await result('model_update', { model: 'instance', id, values: { name: 'db 1' } });
  t.like(updated, { ...values, name: 'db 1', created: at });
  t.true(String(updated.updated) > String(created.updated));

  t.deepEqual(await result('model_delete', { model: 'instance', id }), { count: 1 });
  t.is(await refusal('model_get', { model: 'instance', id }), 'NotFound id: args.id names no instance');
  t.deepEqual((await result('model_list', { model: 'instance' })).rows, []);
  const gone = await result('model_get', { model: 'instance', id, include_deleted: true });
  t.like(gone, { deleted: true, name: 'db 1' });
  t.true(Date.parse(String(gone.deleted_at)) > 0);
  t.regex(await refusal('model_delete', { model: 'instance', id }), /^NotFound id/);
  t.regex(await refusal('model_update', { model: 'instance', id, values: { name: 'x' } }), /^NotFound id/);
});

test('every type of column is read and written in its documented form', async (t) => {
  const { result, database } = await openCaller(t);
  const values = {
    name: 'Käse 🧀 \' " \\ ; --',
    short: '🧀🧀🧀🧀🧀',
    padded: 'ab',
    small: -32768,
    whole: 2147483647,
    big: '9223372036854775807',
    price: '123456789012345678901234567890.000000001',
    ratio: '-Infinity',
    ok: false,
    at: '2026-01-31T23:59:59.123456Z',
    zoned: '1999-12-31T23:00:00Z',
    day: '2024-02-29',
    data: Buffer.from([0, 255, 1]).toString('base64'),
    doc: { a: [1, null, { b: 'x\ny' }], c: 'null' },
    text_doc: ['as it is'],
    tags: ['a,b', '"quoted"', '{x}', null, '', 'NULL'],
    matrix: [
      [1, 2],
      [3, 4],
    ],
    times: ['2026-01-01T00:00:00Z', null],
    mood: 'happy',
    stock: 3,
    span: 'PT1H',
    'Odd "name': 'odd',
  };
  const created = await result('model_create', { model: 'thing', values });
  t.like(created, { ...values, twice: 4294967294 });
  const [stored] = await database.query(
    "SELECT big = 9223372036854775807 AS big, at = '2026-01-31 23:59:59.123456' AS at, data = '\\x00ff01' AS data FROM things",
  );
  t.deepEqual(stored, { big: true, at: true, data: true });
  const other = await result('model_create', {
    model: 'thing',
    values: {
      big: 2 ** 53 - 1,
      ratio: 0.1,
      price: 1.5,
      at: '2026-01-31T23:00:00+02:00',
      zoned: '2026-01-31T23:00:00+02:00',
      times: ['2026-01-31T23:00:00+02:00'],
      doc: 'text',
      name: null,
    },
  });
  t.like(other, {
    big: 2 ** 53 - 1,
    ratio: 0.1,
    price: '1.5',
    at: '2026-01-31T21:00:00Z',
    zoned: '2026-01-31T21:00:00Z',
    times: ['2026-01-31T21:00:00Z'],
    doc: 'text',
    name: null,
  });
  const { id } = created;
  t.deepEqual(await result('model_update', { model: 'thing', id, values }), {
    ...created,
    updated: (await result('model_get', { model: 'thing', id })).updated,
  });
});

test('each filter operator compares as documented', async (t) => {
  const { result } = await openCaller(t);
  const rows = [
    { name: 'a_1', whole: 1, ok: true, mood: 'sad', at: '2026-01-01T00:00:00Z' },
    { name: 'ab1', whole: 2, ok: false, mood: 'ok', at: '2026-01-02T00:00:00Z' },
    { name: 'c', whole: 3, ok: null, mood: 'happy', at: null },
    { name: null, whole: null, ok: null, mood: null, at: null },
  ];
  await result('model_create', { model: 'thing', values: rows });
  const wholes = async (filters: Record<string, unknown>) => {
    const { rows: found } = await result('model_list', { model: 'thing', filters, order_by: ['whole'] });
    return Array.isArray(found) ? found.map(({ whole }) => whole) : found;
  };
  t.deepEqual(await wholes({ name: 'c' }), [3]);
  t.deepEqual(await wholes({ name: null }), [null]);
  t.deepEqual(await wholes({ name: { null: false } }), [1, 2, 3]);
  t.deepEqual(await wholes({ name: { like: 'a%' } }), [1, 2]);
  t.deepEqual(await wholes({ name: { like: 'a\\_%' } }), [1]);
  t.deepEqual(await wholes({ whole: { in: [1, 3, 9] } }), [1, 3]);
  t.deepEqual(await wholes({ whole: { in: [] } }), []);
  t.deepEqual(await wholes({ whole: { gt: 1, lte: 3 } }), [2, 3]);
  t.deepEqual(await wholes({ whole: { gte: 2, lt: 3 } }), [2]);
  t.deepEqual(await wholes({ ok: { ne: true } }), [2, 3, null]);
  t.deepEqual(await wholes({ mood: { gt: 'sad' } }), [2, 3]);
  t.deepEqual(await wholes({ at: { lt: '2026-01-02T01:00:00+02:00' } }), [1]);
  t.deepEqual(await wholes({ at: { in: ['2026-01-02T02:00:00+02:00'] } }), [2]);
  t.deepEqual(await wholes({ ok: true, name: { like: '%1' } }), [1]);
});

test("each page's marker leads to the next page, and the last page has none", async (t) => {
  const { result } = await openCaller(t);
  const values = Array.from({ length: 5 }, (_, b) => ({ a: b % 2 === 0 ? 'x' : 'y', b }));
  await result('model_create', { model: 'seen', values });
  const first = await result('model_list', { model: 'seen', order_by: ['-a'], limit: 3 });
  const row = (a: string, b: number) => ({ a, b, note: null });
  t.deepEqual(first, { rows: [row('y', 1), row('y', 3), row('x', 0)], marker: { b: 0, a: 'x' } });
  const order_by = [{ column: 'a', direction: 'desc' }];
  const second = await result('model_list', { model: 'seen', order_by, limit: 3, marker: first.marker });
  t.deepEqual(second, { rows: [row('x', 2), row('x', 4)], marker: null });
});

test('an update with an old `if_updated` does not change a row that has changed since', async (t) => {
  const { result, update, refused } = await openThings(t);
  const { id, updated } = await result('model_create', { model: 'thing', values: { name: 'a' } });
  const second = await update({ id, values: { name: 'b' }, if_updated: updated });
  t.not(second.updated, updated);
  const stale = 'Conflict if_updated: args.if_updated is not when the thing was changed last: read it again';
  t.is(await refused('model_update', { id, values: { name: 'c' }, if_updated: updated }), stale);
  t.is(await refused('model_delete', { id, if_updated: updated }), stale);
  t.is(await refused('model_delete', { id, if_updated: null }), stale);
  t.like(await result('model_get', { model: 'thing', id }), { name: 'b' });
  t.deepEqual(await result('model_delete', { model: 'thing', id, if_updated: second.updated }), { count: 1 });
});

test('one of many concurrent updates with the same `if_updated` succeeds', async (t) => {
  const caller = await openCaller(t);
  const { id, updated } = await caller.result('model_create', { model: 'thing', values: {} });
  const callers = [caller, callerOn(t, caller.database), callerOn(t, caller.database)];
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, whole) =>
      callers[whole % 3]?.answer('model_update', {
        model: 'thing',
        id,
        values: { whole },
        if_updated: updated,
      }),
    ),
  );
  t.is(answers.filter((answer) => answer?.result !== undefined).length, 1);
  t.is(answers.filter((answer) => answer?.error?.class === 'Conflict').length, 11);
});

test('many rows are created or updated by one statement each, all or none', async (t) => {
  const { database, result, update, refused } = await openThings(t, { calls: { maxRows: 5 } });
  const rows = [{ name: 'a', whole: 1 }, { name: 'b' }, {}];
  const created = await result('model_create', { model: 'thing', values: rows });
  t.is(created.count, 3);
  t.like(created, { rows: [{ name: 'a', whole: 1 }, { name: 'b', whole: null }, { name: null }] });
  const ids = Array.isArray(created.rows) ? created.rows.map(({ id }) => String(id)) : [];
  t.like(await update({ ids: [ids[0], ids[2], randomUUID()], values: { whole: 9 } }), { count: 2 });
  t.like(await update({ filters: { whole: 9 }, values: { whole: 10 } }), { count: 2 });
  t.deepEqual(await update({ filters: { whole: 9 }, values: { whole: 1 } }), { count: 0, rows: [] });
  t.regex(await refused('model_create', { values: [{}, { id: ids[0] }] }), /^Conflict/);
  t.is((await database.query('SELECT FROM things')).length, 3);
  await result('model_create', { model: 'thing', values: [{}, {}, {}] });
  t.is(
    await refused('model_update', { filters: { at: null }, values: { whole: 0 } }),
    'BadRequest filters: args.filters let more than 5 rows through (calls.maxRows); none is changed',
  );
  t.is((await database.query('SELECT FROM things WHERE whole = 0')).length, 0);
  t.is(
    await refused('model_create', { values: Array(6).fill({}) }),
    'BadRequest values: args.values has more than 5 rows (calls.maxRows)',
  );
  t.is(
    await refused('model_update', { ids: Array(6).fill(ids[0]), values: { whole: 0 } }),
    'BadRequest ids: args.ids names 6 rows, not 1 to 5 (calls.maxRows)',
  );
});

test('a running conductor notices a column that was added or dropped', async (t) => {
  const { database, result, update, refused } = await openThings(t);
  const { id } = await result('model_create', { model: 'thing', values: { name: 'a' } });
  await database.query('ALTER TABLE things ADD COLUMN colour text');
  t.like(await update({ id, values: { colour: 'red' } }), { colour: 'red' });
  await database.query('ALTER TABLE things DROP COLUMN colour');
  t.false('colour' in (await result('model_get', { model: 'thing', id })));
  t.regex(await refused('model_update', { id, values: { colour: 'red' } }), /^BadRequest values/);
  await database.query('ALTER TABLE things RENAME TO stuff');
  t.regex(await refused('model_get', { id }), /^InternalError model/);
  await database.query('ALTER TABLE stuff RENAME TO things');
  t.like(await result('model_get', { model: 'thing', id }), { name: 'a' });
});

test('the database makes the id if the column has a default', async (t) => {
  const { database, result } = await openCaller(t);
  await database.query(
    `DROP TABLE pairs; CREATE TABLE pairs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
     GRANT SELECT, INSERT ON pairs TO ${replicaRole}`,
  );
  t.deepEqual(await result('model_create', { model: 'seen', values: {} }), { id: 1 });
  t.deepEqual(await result('model_create', { model: 'seen', values: [{}, {}] }), {
    count: 2,
    rows: [{ id: 2 }, { id: 3 }],
  });
  t.deepEqual(await result('model_get', { model: 'seen', id: '3' }), { id: 3 });
});

test('an answer that is too large is refused, and its call is rolled back', async (t) => {
  const { database, refusal } = await openCaller(t, { calls: { maxReply: 1000 } });
  t.regex(
    await refusal('model_create', { model: 'thing', values: { name: 'x'.repeat(2000) } }),
    /^ResultTooLarge undefined: the result has \d+ bytes, more than 1000/,
  );
  t.deepEqual(await database.query('SELECT FROM things'), []);
  t.deepEqual(await database.query('SELECT FROM call_results'), []);
});
