import test from 'ava';
import fc from 'fast-check';
import { Rejected } from '../../../src/core/errors.ts';
import { oslo } from '../../../src/core/message/codecs/oslo.ts';
import type { Envelope } from '../../../src/core/message/envelope.ts';
import type { Span } from '../../../src/core/span.ts';

/** oslo's messages are read without their context or with it: both readings say the same of all else. */

type Entry = readonly [name: string, json: string];

/** As JSON's text, in which a name may stand twice, written as Python writes it or another way. */
function objectOf(entries: ReadonlyArray<Entry>, comma = ', ', colon = ': '): string {
  return `{${entries.map(([name, json]) => `${JSON.stringify(name)}${colon}${json}`).join(comma)}}`;
}

function envelope(
  inner: string,
  before: ReadonlyArray<Entry> = [],
  behind: ReadonlyArray<Entry> = [],
): Buffer {
  const outer: Entry[] = [
    ...before,
    ['oslo.version', '"2.0"'],
    ['oslo.message', JSON.stringify(inner)],
    ...behind,
  ];
  return Buffer.from(objectOf(outer));
}

/** What the neighbours of a body end and begin with in the bytes of a batch: none of it may be read with the body. */
const neighbour = Buffer.from(', \\"_context_user\\": \\"x\\"}"}{"oslo.version": "2.0", "oslo.message": "{');

/** The body as a worker gets it: a part of the bytes of its batch. */
function amongOthers(body: Uint8Array): Span {
  const bytes = Buffer.concat([neighbour, body, neighbour]);
  return { bytes, begin: neighbour.length, end: neighbour.length + body.length };
}

function reading(body: Uint8Array, whole: boolean): string | Omit<Envelope, 'context'> {
  try {
    const { context: _, ...others } = oslo.decode(
      amongOthers(body),
      { messageId: undefined, isCall: false },
      whole,
    );
    return others;
  } catch (error) {
    if (error instanceof Rejected) return `${error.reason}: ${error.message}`;
    throw error;
  }
}

const method: Entry = ['method', '"report_root"'];
const args: Entry = ['args', '{"instance_id": "g"}'];
const user: Entry = ['_context_user', '"u"'];
const tenant: Entry = ['_context_project_id', '"t"'];

const refused = 'is in the message twice: before the context and after its beginning';

for (const [comma, colon] of [
  [', ', ': '],
  [',', ':'],
  [' ,\n', ' : '],
] as const) {
  for (const [name, json] of [
    ['method', '"nope"'],
    ['method', '"notify_exc_info"'],
    ['args', '{"instance_id": "other"}'],
    ['version', '"9.9"'],
    ['_unique_id', '"b"'],
    ['_msg_id', '"m"'],
    ['_reply_q', '"q"'],
    ['namespace', '"n"'],
  ] as const) {
    test(`${name} before the context and behind it is a bad envelope in both readings: ${JSON.stringify([json, comma])}`, (t) => {
      const first: Entry[] = [
        method,
        args,
        ['version', '"1.0"'],
        ['_unique_id', '"a"'],
        ['_msg_id', 'null'],
        ['_reply_q', 'null'],
        ['namespace', 'null'],
      ];
      const again: Entry = [name, json];
      for (const behind of [
        [user, again],
        [user, again, tenant],
        [user, tenant, again],
      ]) {
        const body = envelope(objectOf([...first, ...behind], comma, colon));
        const expected = `bad_envelope: oslo.message: the key "${name}" ${refused}`;
        t.is(reading(body, false), expected);
        t.is(reading(body, true), expected);
      }
    });
  }
}

test('a key with an escape is the same key as one without', (t) => {
  const inner = objectOf([method, args, user]).slice(0, -1);
  for (const name of ['"\\u006dethod"', '"meth\\u006fd"']) {
    const body = envelope(`${inner}, ${name}: "nope"}`);
    const expected = `bad_envelope: oslo.message: the key "method" ${refused}`;
    t.is(reading(body, false), expected);
    t.is(reading(body, true), expected);
  }
  // The same, escaped in the envelope instead.
  const once = envelope(`${inner}, "method": "nope"}`).toString();
  const escaped = Buffer.from(once.replace(/method(?=\\": \\"nope)/, '\\u006dethod'));
  t.is(reading(escaped, false), `bad_envelope: oslo.message: the key "method" ${refused}`);
  const quotes = Buffer.from(once.replace(/\\"method\\"(?=: \\"nope)/, '\\u0022method\\u0022'));
  t.is(reading(quotes, false), `bad_envelope: oslo.message: the key "method" ${refused}`);
});

test('the fields that make a message a call may stand behind the context', (t) => {
  const body = envelope(objectOf([method, args, user, ['_msg_id', '"m"'], ['_reply_q', '"q"']]));
  for (const whole of [false, true]) t.like(reading(body, whole), { call: { id: 'm', replyTo: 'q' } });
});

test('the last of two messages in the envelope counts, in both readings', (t) => {
  const first = objectOf([method, args, user, tenant]);
  const second = objectOf([['method', '"notify_end"'], args, user, tenant]);
  const body = envelope(first, [], [['oslo.message', JSON.stringify(second)]]);
  for (const whole of [false, true]) t.like(reading(body, whole), { method: 'notify_end' });
});

test("the previous message's context is not used for a message whose context is not parsed", (t) => {
  const inner = (id: string) =>
    objectOf([method, args, user, ['_context_request_id', JSON.stringify(id)], tenant]);
  t.like(reading(envelope(inner('req-1')), false), { method: 'report_root' });
  // As long as the one before, and the same but for what stands in place of the id.
  const longer = 'x'.repeat(40);
  t.like(reading(envelope(inner(longer)), false), { method: 'report_root' });
  const hidden = inner('').replace('_request_id": "', `_request_id": "", "method": "no", "a": "`);
  const padded = hidden.replace('"a": "', `"a": "${'x'.repeat(inner(longer).length - hidden.length)}`);
  t.is(padded.length, inner(longer).length);
  t.is(reading(envelope(padded), false), `bad_envelope: oslo.message: the key "method" ${refused}`);
});

const names = fc.constantFrom(
  ...['method', 'args', 'version', '_unique_id', '_msg_id', '_reply_q', 'namespace', '_timeout'],
  ...['_context_user', '_context_project_id', '_context_request_id', '_context_', '_contex', 'x'],
);
const values = fc.oneof(
  fc.constantFrom('"report_root"', '"notify_end"', '"1.0"', '{"instance_id": "g"}', 'null', '"a"'),
  fc.constantFrom('["x, ", "_context_y"]', '{"a": 1, "_context_b": {"method": "no"}}', '"\\u00e9\\"\\\\"'),
  fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
);
const entries = fc.array(fc.tuple(names, values), { maxLength: 8 });
const separators = fc.constantFrom([', ', ': '], [', ', ':'], [',', ':'], [', ', ' :'], [' , ', ': ']);

test('both readings of any message agree, with keys in any order and number', (t) => {
  const property = fc.property(
    entries,
    entries,
    separators,
    fc.boolean(),
    fc.constantFrom<Entry[]>([], [['x', '", \\"_context_"']], [['oslo.message', '"{}"']]),
    ([...first], [...second], [comma = '', colon = ''], isPlausible, behind) => {
      const all: Entry[] = [...(isPlausible ? [method, args, user] : []), ...first, user, ...second];
      const body = envelope(objectOf(all, comma, colon), [], behind);
      const [short, whole] = [reading(body, false), reading(body, true)];
      // The context itself is looked into by one of them only.
      if (typeof whole === 'string' && whole.includes('context') && !whole.includes('stands before')) return;
      t.deepEqual(short, whole);
    },
  );
  fc.assert(property, { numRuns: 1500 });
});

test('with any byte in any place before the context both readings say the same', (t) => {
  const plain = envelope(objectOf([method, args, user, tenant]));
  const last = plain.indexOf('_context_user');
  // The context is known from here on, as in a fleet.
  t.is(typeof reading(plain, false), 'object');
  for (let place = 0; place < last; place += 1)
    for (let byte = 0; byte < 256; byte += 1) {
      const body = Buffer.from(plain);
      body[place] = byte;
      t.deepEqual(reading(body, false), reading(body, true), `byte ${byte} at ${place}`);
    }
});
