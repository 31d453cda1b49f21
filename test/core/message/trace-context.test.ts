import test from 'ava';
import fc from 'fast-check';
import {
  passedOn,
  TraceFields,
  traceContextIn,
  traceIdsOf,
  traceparentOf,
} from '../../../src/core/message/trace-context.ts';

/** W3C Trace Context, as senders write it. */

const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
const valid = `00-${traceId}-${spanId}-01`;

/** Fields that have taken these properties. */
function fieldsOf(properties: ReadonlyArray<readonly [name: string, value: string]>): TraceFields {
  const fields = new TraceFields();
  for (const [name, value] of properties) {
    const bytes = Buffer.from(name + value);
    const nameEnd = Buffer.byteLength(name);
    fields.take(bytes, 0, nameEnd, nameEnd, bytes.length);
  }
  return fields;
}

test('a traceparent of version 00 is read, and one of a later version as far as it is known', (t) => {
  t.deepEqual(traceIdsOf(valid), { traceId, spanId, isSampled: true });
  t.deepEqual(traceIdsOf(`00-${traceId}-${spanId}-02`), { traceId, spanId, isSampled: false });
  t.deepEqual(traceIdsOf(`cc-${traceId}-${spanId}-03-what-ever`), { traceId, spanId, isSampled: true });
});

test('an invalid traceparent is no context', (t) => {
  for (const text of [
    '',
    `${valid}-more`,
    `${valid}0`,
    valid.toUpperCase(),
    ` ${valid}`,
    `${valid}\n`,
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${spanId}`,
    `00_${traceId}_${spanId}_01`,
  ])
    t.is(traceIdsOf(text), undefined, text);
});

test('the names have any case, other properties are skipped, and two of one name are no context', (t) => {
  t.deepEqual(fieldsOf([['TraceParent', valid]]).context, { traceparent: valid });
  t.deepEqual(
    fieldsOf([
      ['tracestate', 'a=1'],
      ['traceparens', 'x'],
      ['traceparent', ` ${valid} `],
    ]).context,
    { traceparent: valid, tracestate: 'a=1' },
  );
  t.is(fieldsOf([['tracestate', 'a=1']]).context, undefined);
  const two = [
    ['traceparent', valid],
    ['traceparent', valid],
  ] as const;
  t.is(fieldsOf(two).context, undefined);
  const fields = fieldsOf(two);
  fields.clear();
  t.is(fields.context, undefined);
});

test('a tracestate of more than 512 bytes is left out, and a long traceparent is no context', (t) => {
  t.deepEqual(
    fieldsOf([
      ['traceparent', valid],
      ['tracestate', 'a'.repeat(513)],
    ]).context,
    { traceparent: valid },
  );
  t.is(fieldsOf([['traceparent', `cc${valid.slice(2)}-${'x'.repeat(300)}`]]).context, undefined);
});

test('the context of a process comes from its environment, and is checked as a property is', (t) => {
  const own = { traceparent: valid };
  t.is(traceContextIn({}), undefined);
  t.is(traceContextIn({ TRACESTATE: 'a=1' }), undefined);
  t.deepEqual(traceContextIn({ TRACEPARENT: valid }), own);
  t.deepEqual(traceContextIn({ TRACEPARENT: ` ${valid} `, TRACESTATE: ' a=1,b=2 ' }), {
    ...own,
    tracestate: 'a=1,b=2',
  });
  for (const TRACEPARENT of [
    '',
    'x',
    valid.toUpperCase(),
    `${valid}0`,
    `cc${valid.slice(2)}-${'x'.repeat(300)}`,
  ])
    t.is(traceContextIn({ TRACEPARENT, TRACESTATE: 'a=1' }), undefined, TRACEPARENT);
  for (const TRACESTATE of ['', ' ', 'a'.repeat(513), 'é'.repeat(257)])
    t.deepEqual(traceContextIn({ TRACEPARENT: valid, TRACESTATE }), own, TRACESTATE);
});

test('a context is passed on in version 00, without a tracestate that Postgres or a header cannot hold', (t) => {
  t.deepEqual(passedOn({ traceparent: `cc-${traceId}-${spanId}-03-\0`, tracestate: 'a=1' }), {
    traceparent: valid,
    tracestate: 'a=1',
  });
  for (const tracestate of ['a=\0', 'a=1\r\nb: 2', 'a=\u00e9', ''])
    t.deepEqual(passedOn({ traceparent: valid, tracestate }), { traceparent: valid });
  t.is(passedOn({ traceparent: 'x' }), undefined);
});

test('a context that is written is read again, and no text makes the reader throw', (t) => {
  const hex = (length: number) =>
    fc
      .uint8Array({ minLength: length, maxLength: length })
      .filter((bytes) => bytes.some((byte) => byte > 0))
      .map((bytes) => Buffer.from(bytes).toString('hex'));
  fc.assert(
    fc.property(hex(16), hex(8), fc.boolean(), (trace, span, isSampled) => {
      const ids = { traceId: trace, spanId: span, isSampled };
      t.deepEqual(traceIdsOf(traceparentOf(ids)), ids);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(valid.length), (text, at) => {
      traceIdsOf(text);
      const changed = valid.slice(0, at) + text + valid.slice(at + 1);
      const { context } = fieldsOf([['traceparent', changed]]);
      // A context that was read is well-formed.
      if (context !== undefined)
        t.regex(context.traceparent, /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}/);
    }),
  );
});
