import test from 'ava';
import fc from 'fast-check';
import { Rejected } from '../../src/core/errors.ts';
import { bufferOf, jsonTypeOf, parseObject, refuseHostile, textOf } from '../../src/core/json.ts';
import { native } from '../../src/core/message/codecs/native.ts';
import { wholeBody } from '../../src/core/span.ts';
import { rejection } from './rejection.ts';

/** Less than a large text has, which is refused before it is parsed. */
const deep = 2500;

const decodeBytes = (body: Uint8Array) =>
  native.decode(wholeBody(bufferOf(body)), { messageId: undefined, isCall: false }, false);

/** The message around args, given as JSON. */
const decode = (args: string) => decodeBytes(Buffer.from(`{"method":"heartbeat","args":${args}}`));

for (const [what, args, expected] of [
  [
    'lists nested without end',
    `{"payload":${'['.repeat(deep)}${']'.repeat(deep)}}`,
    /^bad_argument: args\.payload(\.0){31} is nested more than 32 levels deep$/,
  ],
  [
    'maps nested without end',
    `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`,
    /^bad_argument: args(\.a){32} is nested more than 32 levels deep$/,
  ],
  ['a NUL', '{"instance_id":"a\\u0000b"}', /^bad_argument: args\.instance_id holds a NUL character$/],
  ['a NUL in a list', '{"list":[["a","\\u0000"]]}', /^bad_argument: args\.list\.0\.1 holds a NUL character$/],
  ['half of a surrogate pair', '{"instance_id":"a\\ud800"}', /^bad_argument: args\.instance_id /],
  ['a key __proto__', '{"__proto__":{"admin":true}}', /^bad_argument: args has a key __proto__$/],
  [
    'a key __proto__ further down',
    '{"payload":[{"__proto__":1}]}',
    /^bad_argument: args\.payload\.0 has a key __proto__$/,
  ],
] as const) {
  test(`${what} is rejected as an argument`, (t) => {
    t.regex(
      rejection(() => decode(args)),
      expected,
    );
  });
}

test('arguments that are nested 31 levels deep are accepted', (t) => {
  t.notThrows(() => decode(`{"payload":${'['.repeat(31)}1${']'.repeat(31)}}`));
  t.throws(() => decode(`{"payload":${'['.repeat(32)}1${']'.repeat(32)}}`), { instanceOf: Rejected });
});

test('brackets that are never closed are not JSON', (t) => {
  t.regex(
    rejection(() => parseObject('['.repeat(deep), 'the body')),
    /^not_json: the body is not JSON: /,
  );
});

test('a number that is too large becomes Infinity, and the method refuses it', (t) => {
  t.deepEqual(parseObject('{"sent":1e400}', 'the body'), { sent: Number.POSITIVE_INFINITY });
});

for (const [what, body] of [
  ['a byte that begins nothing', [0x7b, 0x80, 0x7d]],
  ['a character that is cut off', [0x22, 0xe2, 0x82]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
] as const) {
  test(`${what} is not UTF-8`, (t) => {
    t.is(
      rejection(() => textOf(Uint8Array.from(body))),
      'not_utf8: the body is not valid UTF-8',
    );
  });
}

test('a body without a byte is empty', (t) => {
  t.is(
    rejection(() => textOf(new Uint8Array())),
    'empty: the body is empty',
  );
});

test('a text is read in place from a larger buffer', (t) => {
  const whole = Buffer.from('before{"ä":"€"}after');
  t.is(textOf(new Uint8Array(whole.buffer, whole.byteOffset + 6, whole.length - 11)), '{"ä":"€"}');
});

test('every JSON value is read as it was written', (t) => {
  const property = fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
    const text = JSON.stringify(value);
    return JSON.stringify(parseObject(textOf(Buffer.from(text)), 'the body')) === text;
  });
  t.notThrows(() => fc.assert(property));
});

test('any bytes are decoded or rejected, and no other error is thrown', (t) => {
  const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    t.throws(() => decodeBytes(bytes), { instanceOf: Rejected });
  });
  t.notThrows(() => fc.assert(property));
});

test('any arguments are accepted unchanged or rejected, and no other error is thrown', (t) => {
  const property = fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 40 })), (args) => {
    try {
      return JSON.stringify(decode(JSON.stringify(args)).args) === JSON.stringify(args);
    } catch (error) {
      return error instanceof Rejected;
    }
  });
  t.notThrows(() => fc.assert(property));
});

test('a value with unusual but harmless content is accepted', (t) => {
  t.notThrows(() => refuseHostile({ constructor: 1, prototype: [null, true, 1.5, 'ü\n'], '': {} }, 'args'));
});

test('every type of value has its name', (t) => {
  t.deepEqual([undefined, null, [], {}, 'a', 1, true].map(jsonTypeOf), [
    'missing',
    'null',
    'an array',
    'an object',
    'a string',
    'a number',
    'a boolean',
  ]);
});

test('a large text that is nested too deep is refused before it is parsed, and brackets in strings do not count', (t) => {
  const deep = (open: string, close: string) => `{"a":${open.repeat(20_000)}1${close.repeat(20_000)}}`;
  for (const text of [deep('[', ']'), deep('{"a":', '}'), `{"a":${'['.repeat(20_000)}`])
    t.throws(() => parseObject(text, 'it'), { message: 'it is nested more than 1000 levels deep' });
  const flat = { a: '[{\\"'.repeat(10_000), b: Array.from({ length: 5000 }, () => [[{}]]) };
  t.deepEqual(parseObject(JSON.stringify(flat), 'it'), flat);
});

for (const [text, fault] of [
  ['{"password": secret}', "Unexpected token 's'"],
  ['secret', "Unexpected token 's'"],
  ['\u{1f426}secret', /^Unexpected token '.'$/su],
  ['["secret"secret"]', /^Expected ',' or '\]'/],
  ['{"a":"secret', /^Unterminated string in JSON/],
  ['"secret"secret', /^Unexpected non-whitespace character after JSON/],
  ['[""secret", ""]', /^Expected ',' or '\]'/],
  ['undefined', /^(Unexpected token 'u'|Unexpected text)$/],
] as const)
  test(`the fault of the JSON ${text} is told without a piece of it`, (t) => {
    const told = rejection(() => parseObject(text, 'the body'));
    t.regex(
      told.replace('not_json: the body is not JSON: ', ''),
      fault instanceof RegExp ? fault : new RegExp(`^${fault}$`),
    );
    t.false(told.includes('secret'));
  });
