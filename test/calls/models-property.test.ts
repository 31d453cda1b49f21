import ava from 'ava';
import fc from 'fast-check';
import type { JsonObject } from '../../src/core/json.ts';
import { contents } from '../migrate/support.ts';
import { needs } from '../support/services.ts';
import { openCaller } from './support.ts';

const test = needs(ava, 'postgres');

/** What has ever got through somewhere, and anything else. */
const attempts = fc.oneof(
  fc.constantFrom(
    "'; DROP TABLE things; --",
    'name"; DROP TABLE things; --',
    'things; DELETE FROM things',
    'name" = name OR "1" = "1',
    "1' OR '1'='1",
    '1; SELECT pg_sleep(60)',
    'secret',
    'name::text',
    '(SELECT secret FROM things)',
    'pg_class',
    'public.things',
    'ctid',
    'xmin',
    'tableoid',
    '*',
    't.name',
    '"name"',
    '$1',
    '\\x00',
    '__proto__',
    'constructor',
    'name DESC, (SELECT 1)',
    'name/**/',
  ),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

/** Anything that JSON can say, with attempts in it. */
const anything = fc.oneof(
  attempts,
  fc.jsonValue().map((value): unknown => value),
  attempts.map((text) => ({ [text]: text })),
);

const calls: fc.Arbitrary<[string, JsonObject]> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('model_get', 'model_list', 'model_create', 'model_update', 'model_delete'),
      attempts,
    )
    .map(([method, model]): [string, JsonObject] => [method, { model, id: 'x', values: {} }]),
  anything.map((id): [string, JsonObject] => ['model_get', { model: 'thing', id }]),
  fc
    .tuple(attempts, anything)
    .map(([column, value]): [string, JsonObject] => [
      'model_list',
      { model: 'thing', filters: { [column]: value } },
    ]),
  fc
    .tuple(attempts, anything)
    .map(([operator, value]): [string, JsonObject] => [
      'model_list',
      { model: 'thing', filters: { name: { [operator]: value } } },
    ]),
  fc
    .tuple(fc.constantFrom('eq', 'ne', 'in', 'lt', 'like', 'null'), anything)
    .map(([operator, value]): [string, JsonObject] => [
      'model_list',
      { model: 'thing', filters: { name: { [operator]: value } } },
    ]),
  anything.map((order_by): [string, JsonObject] => ['model_list', { model: 'thing', order_by }]),
  attempts.map((column): [string, JsonObject] => [
    'model_list',
    { model: 'thing', order_by: [column, { column, direction: column }] },
  ]),
  attempts.map((direction): [string, JsonObject] => [
    'model_list',
    { model: 'thing', order_by: [{ column: 'name', direction }] },
  ]),
  anything.map((marker): [string, JsonObject] => ['model_list', { model: 'thing', marker }]),
  anything.map((limit): [string, JsonObject] => ['model_list', { model: 'thing', limit }]),
  fc
    .tuple(attempts, anything)
    .map(([column, value]): [string, JsonObject] => [
      'model_create',
      { model: 'thing', values: { [`${column} `]: value } },
    ]),
  fc
    .tuple(attempts, anything)
    .map(([column, value]): [string, JsonObject] => [
      'model_update',
      { model: 'thing', filters: { [column]: value }, values: { [column]: value } },
    ]),
  fc
    .tuple(attempts, anything)
    .map(([argument, value]): [string, JsonObject] => [
      'model_delete',
      { model: 'thing', id: value, [argument]: value },
    ]),
  anything.map((if_updated): [string, JsonObject] => [
    'model_delete',
    { model: 'thing', id: '00000000-0000-4000-8000-000000000000', if_updated },
  ]),
);

test('hostile input in place of a name is refused by its argument or is data; it changes no table and reveals no secret', async (t) => {
  const { answer, result, database } = await openCaller(t, { calls: { timeout: 2000 } });
  await result('model_create', {
    model: 'thing',
    values: [{ name: 'a', secret: 'never told' }, { name: "'; DROP TABLE things; --" }],
  });
  const before = await contents(database, ['things', 'instances']);
  await fc.assert(
    fc.asyncProperty(calls, async ([method, args]) => {
      const answered = await answer(method, args);
      if (JSON.stringify(answered).includes('never told')) throw new Error('a secret');
      const { error } = answered;
      if (error === undefined) return;
      if (!['BadRequest', 'NotFound', 'Forbidden', 'Conflict'].includes(error.class))
        throw new Error(error.message);
      // That is no argument's fault: a key that names a prototype is in no message of an honest caller.
      if (error.message.endsWith(' has a key __proto__')) return;
      if (error.argument === undefined) throw new Error(`no argument is named: ${error.message}`);
    }),
    { numRuns: 700 },
  );
  t.deepEqual(await contents(database, ['things', 'instances']), before);
});

test('a hostile text is stored and returned unchanged', async (t) => {
  const { result, database } = await openCaller(t);
  const texts = attempts.filter((text) => text.isWellFormed() && !text.includes('\0'));
  await fc.assert(
    fc.asyncProperty(texts, async (name) => {
      const { id } = await result('model_create', {
        model: 'thing',
        values: { name, tags: [name], doc: { [`k${name}`]: name } },
      });
      const row = await result('model_get', { model: 'thing', id });
      t.like(row, { name, tags: [name], doc: { [`k${name}`]: name } });
      const { rows } = await result('model_list', { model: 'thing', filters: { name: { in: [name] }, id } });
      t.deepEqual(rows, [row]);
    }),
    { numRuns: 200 },
  );
  t.true((await database.query('SELECT FROM things')).length >= 200);
});

const columns = ['name', 'whole', 'ok', 'ratio', 'at', 'mood', 'day', 'price'];
const few = {
  name: fc.constantFrom(null, 'a', 'B', 'ä', ''),
  whole: fc.constantFrom(null, 0, 1, -1),
  ok: fc.constantFrom(null, true, false),
  ratio: fc.constantFrom(null, 0.1, 'NaN', 'Infinity', '-Infinity'),
  at: fc.constantFrom(null, '2026-01-01T00:00:00.000001Z', '2026-01-01T00:00:00.000002Z', 'infinity'),
  mood: fc.constantFrom(null, 'sad', 'happy'),
  day: fc.constantFrom(null, '2026-01-01', '-infinity'),
  price: fc.constantFrom(null, '0.10', '0.1', 'NaN'),
};
const orders = fc.uniqueArray(fc.tuple(fc.constantFrom(...columns), fc.boolean()), {
  selector: ([column]) => column,
  maxLength: 4,
});

test('paging visits each row once, in the order of one large page, under any order with duplicates and nulls', async (t) => {
  const { result, database } = await openCaller(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record(few), { minLength: 1, maxLength: 25 }),
      orders,
      fc.integer({ min: 1, max: 7 }),
      async (values, by, limit) => {
        await database.query('TRUNCATE things');
        await result('model_create', { model: 'thing', values });
        const order_by = by.map(([column, descending]) => (descending ? `-${column}` : column));
        const sql = [...by.map(([column, descending]) => `${column}${descending ? ' DESC' : ''}`), 'id'].join(
          ', ',
        );
        const expected = await database.query<{ id: string }>(`SELECT id FROM things ORDER BY ${sql}`);
        const visited: unknown[] = [];
        for (let marker: unknown = null; ; ) {
          const page = await result('model_list', { model: 'thing', order_by, limit, marker });
          if (Array.isArray(page.rows)) visited.push(...page.rows.map(({ id }) => id));
          ({ marker } = page);
          if (marker === null) break;
        }
        t.deepEqual(
          visited,
          expected.map(({ id }) => id),
        );
      },
    ),
    { numRuns: 60 },
  );
});
