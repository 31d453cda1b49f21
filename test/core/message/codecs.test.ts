import { readFileSync } from 'node:fs';
import test from 'ava';
import { bufferOf } from '../../../src/core/json.ts';
import { native } from '../../../src/core/message/codecs/native.ts';
import { oslo as osloCodec } from '../../../src/core/message/codecs/oslo.ts';
import { wholeBody } from '../../../src/core/span.ts';
import { rejection } from '../rejection.ts';

interface Captured {
  readonly body: string;
}

/** What Trove 18 publishes through oslo.messaging 14. */
const captured: {
  readonly plain: ReadonlyArray<Captured>;
  readonly secure: { readonly messages: ReadonlyArray<Captured> };
  readonly call: ReadonlyArray<Captured>;
} = JSON.parse(readFileSync(new URL('../../fixtures/trove-18-oslo-14.json', import.meta.url), 'utf8'));

const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const cast = { messageId: undefined, isCall: false };
const decodeOslo = (body: Uint8Array, whole = false) =>
  osloCodec.decode(wholeBody(bufferOf(body)), cast, whole);
const decodeNative = (body: Uint8Array, messageId?: string) =>
  native.decode(wholeBody(bufferOf(body)), { ...cast, messageId }, false);
const decodeCaptured = (messages: ReadonlyArray<Captured>) =>
  messages.map(({ body }) => decodeOslo(bytes(body)));

const instance = '9ce88802-f075-91e5-ce04-57ef51ece021';

test('every message of a Trove guest decodes to its method and arguments', (t) => {
  const serialized = { instance_id: instance };
  const decoded = decodeCaptured(captured.plain).map(({ method, args }) => ({ method, args }));
  t.deepEqual(decoded.slice(0, 3), [
    {
      method: 'heartbeat',
      args: { instance_id: instance, sent: 1795397690.635314, payload: { service_status: 'running' } },
    },
    {
      method: 'update_backup',
      args: {
        instance_id: instance,
        backup_id: '5b7ce4e4-6d9c-4dbd-a2b2-5b2f9d8d2c11',
        sent: 1795397691.25,
        state: 'COMPLETED',
        size: 0.14,
        checksum: 'd41d8cd98f00b204e9800998ecf8427e',
        location: 'http://swift.example/v1/AUTH_t1/database_backups/5b7ce4e4.xbstream.gz.enc',
        backup_type: 'full',
      },
    },
    { method: 'report_root', args: serialized },
  ]);
  t.deepEqual(
    decoded.slice(3).map(({ method }) => method),
    ['notify_end', 'notify_exc_info'],
  );
});

test('a Trove message has its version and id, and may lack `sent`', (t) => {
  for (const { version, messageId, sentRequired } of decodeCaptured(captured.plain)) {
    t.is(version, '1.0');
    t.regex(messageId ?? '', /^[0-9a-f]{32}$/);
    t.false(sentRequired);
  }
});

test('a Trove call decodes like a cast', (t) => {
  t.like(decodeCaptured(captured.call)[0], { method: 'instance_get', args: { instance_id: instance } });
});

test('an encrypted Trove message decodes without its arguments', (t) => {
  for (const { args } of decodeCaptured(captured.secure.messages)) {
    t.true(Object.values(args ?? {}).every((value) => typeof value === 'string' && value.includes('entity')));
  }
});

const message = { method: 'heartbeat', args: {}, version: '1.0', _unique_id: 'a' };
const oslo = (inner: unknown, outer: object = {}) =>
  bytes({
    'oslo.version': '2.0',
    'oslo.message': typeof inner === 'string' ? inner : JSON.stringify(inner),
    ...outer,
  });

for (const [what, body, expected] of [
  ['an empty body', bytes(''), 'empty: the body is empty'],
  ['a body that is not JSON', bytes('{'), /^not_json: the body is not JSON: /],
  ['a list', bytes([1]), 'bad_envelope: the body is an array, not a JSON object'],
  ['a native message', bytes(message), /^bad_envelope: oslo\.version is .*, not "2\.0"$/],
  [
    'an older envelope',
    oslo(message, { 'oslo.version': '1.0' }),
    'bad_envelope: oslo.version is "1.0", not "2.0"',
  ],
  [
    'a newer envelope',
    oslo(message, { 'oslo.version': '20.0' }),
    'bad_envelope: oslo.version is "20.0", not "2.0"',
  ],
  [
    'a version that is a number',
    oslo(message, { 'oslo.version': 2 }),
    /^bad_envelope: oslo\.version is .*, not "2\.0"$/,
  ],
  [
    'a message that is no string',
    oslo('', { 'oslo.message': message }),
    'bad_envelope: oslo.message is an object, not a string',
  ],
  ['a message that is not JSON', oslo('{'), /^not_json: oslo\.message is not JSON: /],
  ['a message that is a number', oslo('1'), 'bad_envelope: oslo.message is a number, not a JSON object'],
  [
    'a message with a namespace',
    oslo({ ...message, namespace: 'x' }),
    'unknown_method: the message names a namespace; the conductor has none',
  ],
  ['a message without a method', oslo({ args: {} }), 'bad_envelope: method is missing, not a string'],
  ['a message without args', oslo({ method: 'heartbeat' }), 'bad_envelope: args is missing, not an object'],
] as const) {
  test(`in oslo's form ${what} is rejected`, (t) => {
    const found = rejection(() => decodeOslo(body));
    if (typeof expected === 'string') t.is(found, expected);
    else t.regex(found, expected);
  });
}

test('an oslo.version of the same major version is accepted, and a namespace of null', (t) => {
  const body = oslo({ ...message, namespace: null }, { 'oslo.version': '2.7' });
  t.is(decodeOslo(body).method, 'heartbeat');
});

test('a unique id that is not a string is ignored', (t) => {
  t.is(decodeOslo(oslo({ ...message, _unique_id: 7 })).messageId, undefined);
});

test('a deeply nested oslo.version is rejected like any other that is not a text', (t) => {
  const body = bytes(`{"oslo.version":${'['.repeat(5000)}${']'.repeat(5000)},"oslo.message":"{}"}`);
  t.regex(
    rejection(() => decodeOslo(body)),
    /^bad_envelope: oslo\.version is /,
  );
});

test("a native message decodes to its method and arguments, and has the delivery's message id", (t) => {
  t.deepEqual(decodeNative(bytes({ method: 'ping', args: { a: 1 }, version: '1.2', more: true }), 'id'), {
    method: 'ping',
    args: { a: 1 },
    version: '1.2',
    messageId: 'id',
    sentRequired: true,
    context: undefined,
    call: undefined,
  });
  t.like(decodeNative(bytes({ method: 'ping', args: {} }), undefined), {
    version: undefined,
    messageId: undefined,
  });
});

for (const [what, body, expected] of [
  ['an empty body', bytes(''), 'empty: the body is empty'],
  ['a body that is not JSON', bytes('method=heartbeat'), /^not_json: the body is not JSON: /],
  ['null', bytes('null'), 'bad_envelope: the body is null, not a JSON object'],
  ['a text', bytes('"heartbeat"'), 'bad_envelope: the body is a string, not a JSON object'],
  ['no method', bytes({ args: {} }), 'bad_envelope: method is missing, not a string'],
  ['a method that is null', bytes({ method: null, args: {} }), 'bad_envelope: method is null, not a string'],
  ['no args', bytes({ method: 'x' }), 'bad_envelope: args is missing, not an object'],
  ['args in a list', bytes({ method: 'x', args: [] }), 'bad_envelope: args is an array, not an object'],
  [
    'a version that is a number',
    bytes({ method: 'x', args: {}, version: 1 }),
    'bad_version: version is a number, not a string such as "1.0"',
  ],
  [
    'a reply address that is no text',
    bytes({ method: 'x', args: {}, reply_to: 7 }),
    'bad_envelope: reply_to is a number, not a string',
  ],
  [
    'an empty message id',
    bytes({ method: 'x', args: {}, message_id: '' }),
    'bad_envelope: message_id is empty, not a string',
  ],
  [
    'a version of null',
    bytes({ method: 'x', args: {}, version: null }),
    'bad_version: version is null, not a string such as "1.0"',
  ],
] as const) {
  test(`in the native form ${what} is rejected`, (t) => {
    const found = rejection(() => decodeNative(body, undefined));
    if (typeof expected === 'string') t.is(found, expected);
    else t.regex(found, expected);
  });
}
