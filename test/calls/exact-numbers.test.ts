import { randomUUID } from 'node:crypto';
import ava from 'ava';
import fc from 'fast-check';
import { exactAt, isExact, parseExact, parseRemembering, stringifyExact } from '../../src/core/exact-json.ts';
import { isObject } from '../../src/core/json.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import { needs } from '../support/services.ts';
import { raw } from '../support/worker.ts';
import { type Caller, openCaller } from './support.ts';

/** Numbers that a double cannot hold go through as they were written. */

const test = needs(ava, 'postgres');

/** The answer's body, as the caller gets it; args are given as JSON's text. */
async function answer({ context }: Caller, method: string, args: string, messageId: string = randomUUID()) {
  const body = `{"method": "${method}", "args": ${args}}`;
  const rawMessage = raw(body, { messageId, sender: 'api', senderProof: 'subject', isCall: true });
  const { reply } = await runCall({ state: context, raw: rawMessage, transport: 'proven', timeout: 5000 });
  return Buffer.from(reply?.body ?? []).toString();
}

const numbers = [
  ...['9007199254740993', '-9007199254740993', '123456789012345678901234567890', '1.10', '1.0', '0.10'],
  ...['0.1000000000000000055511151231257827', '0.00000012', '1e400', '1E-400', '5e-324', '2.5'],
];

for (const number of numbers) {
  for (const column of ['doc', 'text_doc']) {
    test(`${number} in ${column} keeps its digits when it is written and read, alone and nested`, async (t) => {
      const caller = await openCaller(t);
      const { database } = caller;
      for (const value of [number, `{"a": [${number}, {"b": ${number}}], "c": "${number}"}`]) {
        await database.query('DELETE FROM things');
        await database.query(`INSERT INTO things (id, ${column}) VALUES (gen_random_uuid(), $1)`, [value]);
        const [before] = await database.query<{ id: string; text: string }>(
          `SELECT id, ${column}::text AS text FROM things`,
        );
        if (before === undefined) throw new Error('there is no row');
        const read = await answer(caller, 'model_get', `{"model": "thing", "id": "${before.id}"}`);
        const spaces = / (?=[\d[{"-])/g;
        const expected = before.text.replaceAll(spaces, '');
        // json keeps the text as it is, jsonb the value: both say it with the same digits.
        t.true(read.includes(`"${column}":${expected}`), `${expected} in ${read}`);
        const written = await answer(
          caller,
          'model_update',
          `{"model": "thing", "id": "${before.id}", "values": {"${column}": ${expected}}}`,
        );
        t.true(written.includes(`"${column}":${expected}`), written);
        const [after] = await database.query<{ text: string }>(`SELECT ${column}::text AS text FROM things`);
        t.is(after?.text.replaceAll(spaces, ''), expected);
      }
    });
  }
}

test('a numeric may be a number of any digits, in every argument', async (t) => {
  const caller = await openCaller(t);
  const price = '123456789012345678.000000000000000001';
  const created = await answer(
    caller,
    'model_create',
    `{"model": "thing", "values": [{"price": ${price}, "name": "a"}, {"price": 1.10}]}`,
  );
  t.true(created.includes(`"price":"${price}"`) && created.includes('"price":"1.10"'), created);
  for (const filter of [
    `{"price": ${price}}`,
    `{"price": {"gte": ${price}}}`,
    `{"price": {"in": [1, ${price}]}}`,
  ]) {
    const found = await answer(caller, 'model_list', `{"model": "thing", "filters": ${filter}}`);
    t.is(found.match(/"name":"a"/g)?.length, 1, `${filter}: ${found}`);
    t.is(found.match(/"id":/g)?.length, 1, `${filter}: ${found}`);
  }
});

test('other columns accept a number in any notation', async (t) => {
  const caller = await openCaller(t);
  const created = await answer(
    caller,
    'model_create',
    '{"model": "thing", "values": {"whole": 5.0, "small": 1e2, "big": 7.0, "ratio": 0.10, "matrix": [[1.0, 2], [3, 4]]}}',
  );
  for (const expected of [
    '"whole":5,',
    '"small":100,',
    '"big":7,',
    '"ratio":0.1,',
    '"matrix":[[1,2],[3,4]],',
  ])
    t.true(created.includes(expected), `${expected} in ${created}`);
  const listed = await answer(
    caller,
    'model_list',
    '{"model": "thing", "limit": 1.0, "filters": {"whole": 5.0}}',
  );
  t.true(listed.includes('"whole":5,'), listed);
});

test('a bigint that its sender may have rounded is refused with the digits that arrived, in every argument', async (t) => {
  const caller = await openCaller(t);
  await caller.database.query(
    'ALTER TABLE pairs DROP CONSTRAINT pairs_pkey, ALTER b TYPE bigint, ADD PRIMARY KEY (b)',
  );
  const digits = '9007199254740993';
  for (const [method, args, path] of [
    ['model_create', `"model": "thing", "values": {"big": ${digits}}`, 'values.big'],
    ['model_list', `"model": "thing", "filters": {"big": ${digits}}`, 'filters["big"]'],
    ['model_list', `"model": "thing", "filters": {"big": {"in": [${digits}]}}`, 'filters["big"].in[0]'],
    ['model_get', `"model": "seen", "id": ${digits}`, 'id'],
    ['model_get', `"model": "seen", "id": {"b": ${digits}}`, 'id.b'],
    ['model_update', `"model": "seen", "ids": [${digits}], "values": {"note": "x"}`, 'ids[0]'],
    ['model_update', `"model": "seen", "id": ${digits}, "values": {"note": "x"}`, 'id'],
    ['model_list', `"model": "seen", "marker": ${digits}`, 'marker'],
    ['model_delete', `"model": "seen", "id": ${digits}`, 'id'],
  ] as const) {
    const { error } = JSON.parse(await answer(caller, method, `{${args}}`));
    t.is(error.message, `args.${path} is ${digits}, not a whole number of 64 bits, as a text beyond 2^53`);
  }
});

test('the answer to a repeated call has the same digits', async (t) => {
  const caller = await openCaller(t);
  const args = '{"model": "thing", "values": {"doc": {"a": 9007199254740993, "b": 1.10}}}';
  const first = await answer(caller, 'model_create', args, 'm1');
  t.regex(first, /"doc":\{"a":9007199254740993,"b":1\.10\}/);
  t.is(await answer(caller, 'model_create', args, 'm1'), first);
});

ava(
  'a parsed value that is written again has the same numbers, and looks like an ordinary parsed value',
  (t) => {
    const digits = fc.oneof(
      fc.constantFrom(...numbers, '-0', '0', '-0.0', '1E5', '1e+5', '100', '1e21', '1000000000000000000000'),
      fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
      fc.tuple(fc.bigInt(), fc.nat({ max: 10 ** 9 })).map(([whole, part]) => `${whole}.${part}`),
      fc.bigInt().map(String),
    );
    const text = fc
      .letrec((tie) => ({
        value: fc.oneof(
          { depthSize: 'small' },
          digits,
          fc.string().map((one) => JSON.stringify(one)),
          fc.array(tie('value'), { maxLength: 4 }).map((values) => `[${values.join(',')}]`),
          fc
            .array(tie('value'), { maxLength: 4 })
            .map((values) => `{${values.map((value, index) => `"k${index}":${value}`).join(',')}}`),
        ),
      }))
      .value.map((value) => `{"a":${String(value)}}`);
    const property = fc.property(text, (json) => {
      t.is(JSON.stringify(parseExact(json)), json);
      const remembering = parseRemembering(json);
      t.deepEqual(remembering, JSON.parse(json));
      t.is(stringifyExact(remembering), json);
    });
    fc.assert(property, { numRuns: 2000 });
  },
);

ava('only a number that JavaScript would write in another way is an ExactNumber', (t) => {
  const parsed = parseRemembering('{"a": 1.5, "b": 1.50, "c": "1.50", "d": [7, 7.0]}');
  if (!isObject(parsed) || !Array.isArray(parsed.d)) throw new Error('it is not what was parsed');
  t.is(exactAt(parsed, 'a', parsed.a), 1.5);
  t.true(isExact(exactAt(parsed, 'b', parsed.b)));
  t.is(exactAt(parsed, 'c', parsed.c), '1.50');
  t.is(exactAt(parsed.d, 0, parsed.d[0]), 7);
  t.true(isExact(exactAt(parsed.d, 1, parsed.d[1])));
});
