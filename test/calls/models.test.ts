import { randomUUID } from 'node:crypto';
import ava, { type ExecutionContext } from 'ava';
import type { JsonObject } from '../../src/core/json.ts';
import { openDatabase } from '../support/database.ts';
import { needs, services } from '../support/services.ts';
import { callerOn, openCaller, ownTables } from './support.ts';

const test = needs(ava, 'postgres');

/** For the tests that change nothing. */
let shared: Awaited<ReturnType<typeof openDatabase>> | undefined;
ava.before(async () => {
  if (services.postgres === undefined) return;
  shared = await openDatabase({ migrated: true });
  await shared.query(ownTables);
});
ava.after.always(() => shared?.drop());

async function refusalOf(t: ExecutionContext, method: string, args: JsonObject): Promise<string> {
  if (shared === undefined) throw new Error('there is no database');
  return callerOn(t, shared).refusal(method, args);
}

test("a row of Trove's is created, read, updated and deleted, with the times that Trove keeps", async (t) => {
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

test('every kind of column goes in and out in its documented form', async (t) => {
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

for (const [column, value, problem] of [
  ['small', 32768, 'is 32768, not a whole number from -32768 to 32767'],
  ['whole', '1', 'is "1", not a whole number from -2147483648 to 2147483647'],
  ['whole', 1.5, 'is 1.5, not a whole number from -2147483648 to 2147483647'],
  [
    'big',
    '9223372036854775808',
    'is "9223372036854775808", not a whole number of 64 bits, as a text beyond 2^53',
  ],
  ['big', 2 ** 53, 'is 9007199254740992, not a whole number of 64 bits, as a text beyond 2^53'],
  ['price', '1; DROP', 'is "1; DROP", not a number, or a text with one'],
  ['ratio', 'inf', 'is "inf", not a number, "NaN", "Infinity", "-Infinity"'],
  ['ok', 'true', 'is "true", not true or false'],
  ['name', 7, 'is 7, not a string'],
  ['name', {}, 'is an object, not a string'],
  ['short', 'abcdef', 'has more than 5 characters'],
  [
    'at',
    '2026-02-30T00:00:00Z',
    'is "2026-02-30T00:00:00Z", not a time such as "2026-01-31T23:59:59.123456Z"',
  ],
  ['at', 'now', 'is "now", not a time such as "2026-01-31T23:59:59.123456Z"'],
  ['day', '31.01.2026', 'is "31.01.2026", not a date such as "2026-01-31"'],
  ['data', 'ÿ', 'is "ÿ", not bytes in base64'],
  ['mood', 'angry', 'is "angry", not one of sad, ok, happy'],
  ['tags', 'a', 'is a string, not an array'],
  ['id', 'x', 'is "x", not a UUID'],
] as const) {
  test(`${JSON.stringify(value)} is refused for ${column} by the argument's name`, async (t) => {
    t.is(
      await refusalOf(t, 'model_create', { model: 'thing', values: { [column]: value } }),
      `BadRequest values: args.values.${column} ${problem}`,
    );
  });
}

test('what only the database can refuse is refused, and holds nothing up', async (t) => {
  const { database, result, refusal } = await openCaller(t);
  const create = (model: string, values: Record<string, unknown>) =>
    refusal('model_create', { model, values });
  t.regex(await create('backup', { name: 'b' }), /^BadRequest state: the database refuses it: null value/);
  t.regex(await create('thing', { stock: -1 }), /^BadRequest .*amount_check/);
  t.regex(await create('thing', { span: 'soon' }), /^BadRequest .*interval/);
  t.regex(
    await create('fault', { instance_id: 'none', message: 'm', details: 'd' }),
    /^Conflict .*foreign key/,
  );
  const { id } = await result('model_create', { model: 'thing', values: {} });
  t.regex(await create('thing', { id }), /^Conflict .*things_pkey/);
  await database.query(
    `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
     CREATE TRIGGER no BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION no()`,
  );
  t.is(await create('thing', {}), 'BadRequest undefined: the database refuses it: not today');
  await database.query('DROP TABLE pairs');
  t.regex(
    await create('seen', { a: 'a', b: 1 }),
    /^InternalError model: models.seen.table: there is no table/,
  );
});

for (const [what, method, args, refused] of [
  [
    'an unknown model',
    'model_get',
    { model: 'users', id: '1' },
    'BadRequest model: args.model is "users", which is not a model of this conductor',
  ],
  ['no model', 'model_get', { id: '1' }, 'BadRequest model: args.model is missing, not a string'],
  [
    'a model that every object has',
    'model_get',
    { model: 'constructor', id: '1' },
    'BadRequest model: args.model is "constructor", which is not a model of this conductor',
  ],
  ['no id', 'model_get', { model: 'thing' }, 'BadRequest id: args.id is missing, not what names a row'],
  [
    'an unknown argument',
    'model_list',
    { model: 'thing', filter: {} },
    'BadRequest filter: args.filter is not an argument of this method; it takes model, filters, order_by, limit, marker, include_deleted',
  ],
  [
    'an unknown column',
    'model_create',
    { model: 'thing', values: { colour: 1 } },
    'BadRequest values: args.values.colour names "colour", which is not a column of thing',
  ],
  [
    'a column that every object has',
    'model_create',
    { model: 'thing', values: { constructor: 1 } },
    'BadRequest values: args.values.constructor names "constructor", which is not a column of thing',
  ],
  [
    'a time that is kept',
    'model_create',
    { model: 'thing', values: { created: '2026-01-01T00:00:00Z' } },
    'BadRequest values: args.values.created names created, which is kept by the conductor or the database',
  ],
  [
    'a generated column',
    'model_create',
    { model: 'thing', values: { twice: 2 } },
    'BadRequest values: args.values.twice names twice, which is kept by the conductor or the database',
  ],
  [
    'a filter on an unknown column',
    'model_list',
    { model: 'thing', filters: { colour: 1 } },
    'BadRequest filters: args.filters["colour"] names "colour", which is not a column of thing',
  ],
  [
    'an unknown operator',
    'model_list',
    { model: 'thing', filters: { name: { regex: 'a' } } },
    'BadRequest filters: args.filters["name"] has an operator "regex"; there are eq, ne, in, lt, lte, gt, gte, like, null',
  ],
  [
    'a comparison with null',
    'model_list',
    { model: 'thing', filters: { name: { lt: null } } },
    'BadRequest filters: args.filters["name"].lt is null; the operator for that is null: true or false',
  ],
  [
    'like on a number',
    'model_list',
    { model: 'thing', filters: { whole: { like: '1%' } } },
    'BadRequest filters: args.filters["whole"].like compares whole, which is not a text',
  ],
  [
    'a comparison of JSON',
    'model_list',
    { model: 'thing', filters: { doc: { eq: 1 } } },
    'BadRequest filters: args.filters["doc"].eq compares doc, which can only be compared with null',
  ],
  [
    'a filter of the wrong type',
    'model_list',
    { model: 'thing', filters: { whole: { in: [1, 'x'] } } },
    'BadRequest filters: args.filters["whole"].in[1] is "x", not a whole number from -2147483648 to 2147483647',
  ],
  [
    'an order by an unknown column',
    'model_list',
    { model: 'thing', order_by: ['-colour'] },
    'BadRequest order_by: args.order_by[0] names "colour", which is not a column of thing',
  ],
  [
    'an order by JSON',
    'model_list',
    { model: 'thing', order_by: ['doc'] },
    'BadRequest order_by: args.order_by[0] names doc, by which nothing can be ordered',
  ],
  [
    'an order in no direction',
    'model_list',
    { model: 'thing', order_by: [{ column: 'name', direction: 'up' }] },
    'BadRequest order_by: args.order_by[0].direction is neither "asc" nor "desc"',
  ],
  [
    'an order that goes by a column twice',
    'model_list',
    { model: 'thing', order_by: ['name', '-name'] },
    'BadRequest order_by: args.order_by[1] names "name" a second time',
  ],
  [
    'a limit too high',
    'model_list',
    { model: 'thing', limit: 1001 },
    'BadRequest limit: args.limit is 1001, not a whole number from 1 to 1000 (calls.maxRows)',
  ],
  [
    'a limit that is a text',
    'model_list',
    { model: 'thing', limit: '1' },
    'BadRequest limit: args.limit is a string, not a whole number from 1 to 1000 (calls.maxRows)',
  ],
  [
    'a marker that names no row',
    'model_list',
    { model: 'thing', marker: randomUUID() },
    'BadRequest marker: args.marker names no row',
  ],
  [
    'a marker of the wrong type',
    'model_list',
    { model: 'thing', marker: 'x' },
    'BadRequest marker: args.marker is "x", not a UUID',
  ],
  [
    'an update of nothing in particular',
    'model_update',
    { model: 'thing', values: { name: 'x' } },
    'BadRequest id: args.id or args.ids or args.filters says which rows; none of them is there',
  ],
  [
    'an update of everything',
    'model_update',
    { model: 'thing', filters: {}, values: { name: 'x' } },
    'BadRequest filters: args.filters is empty: it would change every row',
  ],
  [
    'an update without values',
    'model_update',
    { model: 'thing', id: 'x', values: {} },
    'BadRequest values: args.values is empty',
  ],
  [
    'an update of the id',
    'model_update',
    { model: 'seen', id: { a: 'a', b: 1 }, values: { a: 'b' } },
    'NotFound id: args.id names no seen',
  ],
  ['half an id', 'model_get', { model: 'seen', id: { a: 'a' } }, 'BadRequest id: args.id.b is missing'],
  [
    'a simple id for a key of two columns',
    'model_get',
    { model: 'seen', id: 'a' },
    'BadRequest id: args.id has to be an object with b, a, which name a row together',
  ],
  [
    'if_updated where nothing keeps the time',
    'model_delete',
    { model: 'seen', id: { a: 'a', b: 1 }, if_updated: null },
    'BadRequest if_updated: args.if_updated cannot be: seen has no time of its last change',
  ],
  [
    'half of a surrogate pair',
    'model_create',
    { model: 'thing', values: { name: '\ud800' } },
    'BadRequest values: args.values.name holds half of a surrogate pair',
  ],
  [
    'a NUL',
    'model_create',
    { model: 'thing', values: { doc: ['\0'] } },
    'BadRequest values: args.values.doc.0 holds a NUL character',
  ],
] as const) {
  test(`${what} is refused by the argument's name`, async (t) => {
    t.is(await refusalOf(t, method, args), refused);
  });
}

test('filters compare as their operators say', async (t) => {
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

test('pages follow each other by their markers, and the last one has none', async (t) => {
  const { result } = await openCaller(t);
  const values = Array.from({ length: 5 }, (_, b) => ({ a: b % 2 === 0 ? 'x' : 'y', b }));
  await result('model_create', { model: 'seen', values });
  const first = await result('model_list', { model: 'seen', order_by: ['-a'], limit: 3 });
  t.deepEqual(first, {
    rows: [
      { a: 'y', b: 1, note: null },
      { a: 'y', b: 3, note: null },
      { a: 'x', b: 0, note: null },
    ],
    marker: { b: 0, a: 'x' },
  });
  const second = await result('model_list', {
    model: 'seen',
    order_by: [{ column: 'a', direction: 'desc' }],
    limit: 3,
    marker: first.marker,
  });
  t.deepEqual(second, {
    rows: [
      { a: 'x', b: 2, note: null },
      { a: 'x', b: 4, note: null },
    ],
    marker: null,
  });
});

test('a row that has changed since it was read is not changed again by who does not know', async (t) => {
  const { result, refusal } = await openCaller(t);
  const { id, updated } = await result('model_create', { model: 'thing', values: { name: 'a' } });
  const second = await result('model_update', {
    model: 'thing',
    id,
    values: { name: 'b' },
    if_updated: updated,
  });
  t.not(second.updated, updated);
  const stale = 'Conflict if_updated: args.if_updated is not when the thing was changed last: read it again';
  t.is(
    await refusal('model_update', { model: 'thing', id, values: { name: 'c' }, if_updated: updated }),
    stale,
  );
  t.is(await refusal('model_delete', { model: 'thing', id, if_updated: updated }), stale);
  t.is(await refusal('model_delete', { model: 'thing', id, if_updated: null }), stale);
  t.like(await result('model_get', { model: 'thing', id }), { name: 'b' });
  t.deepEqual(await result('model_delete', { model: 'thing', id, if_updated: second.updated }), { count: 1 });
});

test('of many who change what they have read at the same time, one does', async (t) => {
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

test('many rows are created and updated by one statement each, all or none', async (t) => {
  const { database, result, refusal } = await openCaller(t, { calls: { maxRows: 5 } });
  const rows = [{ name: 'a', whole: 1 }, { name: 'b' }, {}];
  const created = await result('model_create', { model: 'thing', values: rows });
  t.is(created.count, 3);
  t.like(created, { rows: [{ name: 'a', whole: 1 }, { name: 'b', whole: null }, { name: null }] });
  const ids = Array.isArray(created.rows) ? created.rows.map(({ id }) => String(id)) : [];
  t.like(
    await result('model_update', {
      model: 'thing',
      ids: [ids[0], ids[2], randomUUID()],
      values: { whole: 9 },
    }),
    {
      count: 2,
    },
  );
  t.like(await result('model_update', { model: 'thing', filters: { whole: 9 }, values: { whole: 10 } }), {
    count: 2,
  });
  t.deepEqual(await result('model_update', { model: 'thing', filters: { whole: 9 }, values: { whole: 1 } }), {
    count: 0,
    rows: [],
  });
  t.regex(await refusal('model_create', { model: 'thing', values: [{}, { id: ids[0] }] }), /^Conflict/);
  t.is((await database.query('SELECT FROM things')).length, 3);
  await result('model_create', { model: 'thing', values: [{}, {}, {}] });
  t.is(
    await refusal('model_update', { model: 'thing', filters: { at: null }, values: { whole: 0 } }),
    'BadRequest filters: args.filters let more than 5 rows through (calls.maxRows); none is changed',
  );
  t.is((await database.query('SELECT FROM things WHERE whole = 0')).length, 0);
  t.is(
    await refusal('model_create', { model: 'thing', values: Array(6).fill({}) }),
    'BadRequest values: args.values has more than 5 rows (calls.maxRows)',
  );
  t.is(
    await refusal('model_update', { model: 'thing', ids: Array(6).fill(ids[0]), values: { whole: 0 } }),
    'BadRequest ids: args.ids names 6 rows, not 1 to 5 (calls.maxRows)',
  );
});

test('a column that is added or gone while the conductor runs is noticed', async (t) => {
  const { database, result, refusal } = await openCaller(t);
  const { id } = await result('model_create', { model: 'thing', values: { name: 'a' } });
  await database.query('ALTER TABLE things ADD COLUMN colour text');
  t.like(await result('model_update', { model: 'thing', id, values: { colour: 'red' } }), { colour: 'red' });
  await database.query('ALTER TABLE things DROP COLUMN colour');
  t.false('colour' in (await result('model_get', { model: 'thing', id })));
  t.regex(
    await refusal('model_update', { model: 'thing', id, values: { colour: 'red' } }),
    /^BadRequest values/,
  );
  await database.query('ALTER TABLE things RENAME TO stuff');
  t.regex(await refusal('model_get', { model: 'thing', id }), /^InternalError model/);
  await database.query('ALTER TABLE stuff RENAME TO things');
  t.like(await result('model_get', { model: 'thing', id }), { name: 'a' });
});

test('an id is left to the database where it makes one', async (t) => {
  const { database, result } = await openCaller(t);
  await database.query(
    'DROP TABLE pairs; CREATE TABLE pairs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)',
  );
  t.deepEqual(await result('model_create', { model: 'seen', values: {} }), { id: 1 });
  t.deepEqual(await result('model_create', { model: 'seen', values: [{}, {}] }), {
    count: 2,
    rows: [{ id: 2 }, { id: 3 }],
  });
  t.deepEqual(await result('model_get', { model: 'seen', id: '3' }), { id: 3 });
});

test('an answer that is too large is refused, and what it would have told is undone', async (t) => {
  const { database, refusal } = await openCaller(t, { calls: { maxReply: 1000 } });
  t.regex(
    await refusal('model_create', { model: 'thing', values: { name: 'x'.repeat(2000) } }),
    /^ResultTooLarge undefined: the result has \d+ bytes, more than 1000/,
  );
  t.deepEqual(await database.query('SELECT FROM things'), []);
  t.deepEqual(await database.query('SELECT FROM call_results'), []);
});
