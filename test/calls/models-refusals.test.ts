import { randomUUID } from 'node:crypto';
import ava, { type ExecutionContext } from 'ava';
import type { JsonObject } from '../../src/core/json.ts';
import { openDatabase } from '../support/database.ts';
import { needs, services } from '../support/services.ts';
import { addOwnTables, callerOn, openCaller } from './support.ts';

const test = needs(ava, 'postgres');

/** For the tests that change nothing. */
let shared: Awaited<ReturnType<typeof openDatabase>> | undefined;
ava.before(async () => {
  if (services.postgres === undefined) return;
  shared = await openDatabase({ migrated: true });
  await addOwnTables(shared);
});
ava.after.always(() => shared?.drop());

async function refusalOf(t: ExecutionContext, method: string, args: JsonObject): Promise<string> {
  if (shared === undefined) throw new Error('there is no database');
  return callerOn(t, shared).refusal(method, args);
}

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
  test(`${JSON.stringify(value)} is refused for ${column}, and the error names the argument`, async (t) => {
    t.is(
      await refusalOf(t, 'model_create', { model: 'thing', values: { [column]: value } }),
      `BadRequest values: args.values.${column} ${problem}`,
    );
  });
}

test('values that only the database can refuse are refused, and hold nothing', async (t) => {
  const { database, result, refusal } = await openCaller(t);
  const create = (model: string, values: Record<string, unknown>) =>
    refusal('model_create', { model, values });
  t.regex(
    await create('backup', { name: 'b' }),
    /^BadRequest state: the database refuses the call: null value/,
  );
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
  t.is(await create('thing', {}), 'BadRequest undefined: the database refuses the call: not today');
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
  ['no id', 'model_get', { model: 'thing' }, 'BadRequest id: args.id is missing, not the id of a row'],
  [
    'an unknown argument',
    'model_list',
    { model: 'thing', filter: {} },
    'BadRequest filter: args.filter is not an argument of this method; it takes model, filters, order_by, limit, marker, include_deleted',
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
] as const) {
  test(`${what} is refused, and the error names the argument`, async (t) => {
    t.is(await refusalOf(t, method, args), refused);
  });
}

for (const [what, argument, value, problem] of [
  [
    'a filter on an unknown column',
    'filters',
    { colour: 1 },
    '["colour"] names "colour", which is not a column of thing',
  ],
  [
    'an unknown operator',
    'filters',
    { name: { regex: 'a' } },
    '["name"] has an operator "regex"; there are eq, ne, in, lt, lte, gt, gte, like, null',
  ],
  [
    'a comparison with null',
    'filters',
    { name: { lt: null } },
    '["name"].lt is null; the operator for that is null: true or false',
  ],
  [
    'like on a number',
    'filters',
    { whole: { like: '1%' } },
    '["whole"].like compares whole, which is not a text',
  ],
  [
    'a comparison of JSON',
    'filters',
    { doc: { eq: 1 } },
    '["doc"].eq compares doc, which can only be compared with null',
  ],
  [
    'a filter of the wrong type',
    'filters',
    { whole: { in: [1, 'x'] } },
    '["whole"].in[1] is "x", not a whole number from -2147483648 to 2147483647',
  ],
  ['an unknown column', 'values', { colour: 1 }, '.colour names "colour", which is not a column of thing'],
  [
    'a column that every object has',
    'values',
    { constructor: 1 },
    '.constructor names "constructor", which is not a column of thing',
  ],
  [
    'a time that is kept',
    'values',
    { created: '2026-01-01T00:00:00Z' },
    '.created names created, which is kept by the conductor or the database',
  ],
  [
    'a generated column',
    'values',
    { twice: 2 },
    '.twice names twice, which is kept by the conductor or the database',
  ],
  [
    'an order by an unknown column',
    'order_by',
    ['-colour'],
    '[0] names "colour", which is not a column of thing',
  ],
  ['an order by JSON', 'order_by', ['doc'], '[0] names doc, by which nothing can be ordered'],
  [
    'an order in no direction',
    'order_by',
    [{ column: 'name', direction: 'up' }],
    '[0].direction is neither "asc" nor "desc"',
  ],
  ['an order that goes by a column twice', 'order_by', ['name', '-name'], '[1] names "name" a second time'],
  ['a limit too high', 'limit', 1001, ' is 1001, not a whole number from 1 to 1000 (calls.maxRows)'],
  ['a limit that is a text', 'limit', '1', ' is a string, not a whole number from 1 to 1000 (calls.maxRows)'],
  ['a marker that names no row', 'marker', randomUUID(), ' names no row'],
  ['a marker of the wrong type', 'marker', 'x', ' is "x", not a UUID'],
  ['half of a surrogate pair', 'values', { name: '\ud800' }, '.name holds half of a surrogate pair'],
  ['a NUL', 'values', { doc: ['\0'] }, '.doc.0 holds a NUL character'],
] as const) {
  test(`${what} is refused, and the error names the argument`, async (t) => {
    const method = argument === 'values' ? 'model_create' : 'model_list';
    const refused = await refusalOf(t, method, { model: 'thing', [argument]: value });
    t.is(refused, `BadRequest ${argument}: args.${argument}${problem}`);
  });
}
