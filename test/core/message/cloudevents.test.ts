import test from 'ava';
import fc from 'fast-check';
import type { JsonObject } from '../../../src/core/json.ts';
import { bufferOf } from '../../../src/core/json.ts';
import { cloudEventsForm } from '../../../src/core/message/codecs/client-cloudevents.ts';
import { cloudevents } from '../../../src/core/message/codecs/cloudevents.ts';
import { EventAttributes, readsEvents } from '../../../src/core/message/codecs/cloudevents-binary.ts';
import { wholeBody } from '../../../src/core/span.ts';
import { rejection } from '../rejection.ts';

/** CloudEvents 1.0 in structured mode, and the attributes of the binary mode. */

const cast = { messageId: undefined, isCall: false };
const usual = {
  specversion: '1.0',
  id: 'A234-1234',
  source: '/guests/i1',
  type: 'com.example.guest.heartbeat',
  time: '2026-11-27T09:14:50.635314Z',
  datacontenttype: 'application/json',
  data: { payload: { service_status: 'running' } },
};
const decode = (event: unknown, properties = cast, whole = false) =>
  cloudevents.decode(wholeBody(Buffer.from(JSON.stringify(event))), properties, whole);

test('the attributes are the method, the message id, the instance and the time; the data are the arguments', (t) => {
  t.deepEqual(decode(usual), {
    method: 'heartbeat',
    args: { payload: { service_status: 'running' } },
    version: undefined,
    messageId: 'A234-1234',
    sentRequired: true,
    context: undefined,
    call: undefined,
    subject: { instance_id: 'i1', sent: 1_795_770_890.635314 },
  });
});

for (const [what, attributes, instance] of [
  ['subject comes before source', { subject: 'i2' }, 'i2'],
  ['the end of a path', { source: 'https://example.com/fleet/i3' }, 'i3'],
  ['the end of a URN', { source: 'urn:guest:i4' }, 'i4'],
  ['a source without parts', { source: 'i5' }, 'i5'],
  ['a source that ends with a slash', { source: '/guests/' }, undefined],
] as const) {
  test(`the instance of an event: ${what}`, (t) => {
    t.is(decode({ ...usual, ...attributes }).subject?.instance_id, instance);
  });
}

for (const [time, sent] of [
  ['2026-11-27T09:14:50Z', 1_795_770_890],
  ['2026-11-27T09:14:50.5+02:00', 1_795_763_690.5],
  ['2026-11-27t09:14:50.000001z', 1_795_770_890.000001],
  ['2026-11-27T09:14:50.123456789Z', 1_795_770_890.1234567],
] as const) {
  test(`the time ${time} is ${sent}`, (t) => t.is(decode({ ...usual, time }).subject?.sent, sent));
}

for (const [what, change, reason] of [
  ['without specversion', { specversion: undefined }, 'bad_envelope: specversion is missing, not "1.0"'],
  ['of version 0.3', { specversion: '0.3' }, 'bad_envelope: specversion is "0.3", not "1.0"'],
  ['without an id', { id: undefined }, 'bad_envelope: id is missing'],
  ['with an empty id', { id: '' }, 'bad_envelope: id is empty, not a string'],
  ['whose id is a number', { id: 1 }, 'bad_envelope: id is a number, not a string'],
  ['without a source', { source: null }, 'bad_envelope: source is missing'],
  ['with a long type', { type: 'x'.repeat(1025) }, 'bad_envelope: type has more than 1024 characters'],
  ['with a time in words', { time: 'noon' }, /^bad_envelope: time is "noon", not a time such as /],
  ['with a time that does not exist', { time: '2026-13-27T09:14:50Z' }, /^bad_envelope: time is "2026-13/],
  ['whose data are a text', { data: 'x' }, 'bad_envelope: data is a string, not an object'],
  [
    'whose data are XML',
    { datacontenttype: 'text/xml' },
    'bad_envelope: datacontenttype is "text/xml", not JSON',
  ],
  ['with data twice', { data_base64: 'e30=' }, 'bad_envelope: the event has data and data_base64'],
  ['with a NUL in its data', { data: { a: '\0' } }, 'bad_argument: args.a holds a NUL character'],
  ['with a version that is no text', { methodversion: 1 }, /^bad_envelope: methodversion is a number/],
] as const) {
  test(`an event ${what} is refused`, (t) => {
    const said = rejection(() => decode({ ...usual, ...change }));
    if (typeof reason === 'string') t.is(said, reason);
    else t.regex(said, reason);
  });
}

test('a batch of events is refused', (t) => {
  t.is(
    rejection(() => decode([usual])),
    'bad_envelope: the event is an array, not a JSON object',
  );
});

test('data in base64 are JSON, and an event without data has no arguments', (t) => {
  const { data, ...rest } = usual;
  const encoded = Buffer.from(JSON.stringify(data)).toString('base64');
  t.deepEqual(decode({ ...rest, data_base64: encoded }).args, data);
  t.deepEqual(decode(rest).args, {});
  t.regex(
    rejection(() => decode({ ...rest, data_base64: '!' })),
    /^empty/,
  );
  t.regex(
    rejection(() => decode({ ...rest, data_base64: 'AAEC' })),
    /^not_json/,
  );
});

test('data of any media type of JSON are accepted', (t) => {
  for (const datacontenttype of [
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/vnd.x+json',
  ])
    t.is(decode({ ...usual, datacontenttype }).method, 'heartbeat');
});

test('the extensions are the version, the context and the address of an answer', (t) => {
  const more = {
    methodversion: '1.0',
    user: 'u',
    tenant: 't',
    requestid: 'r',
    replyto: 'q',
    correlationid: 'c',
  };
  t.like(decode({ ...usual, ...more }), {
    version: '1.0',
    context: { user: 'u', tenant: 't', requestId: 'r' },
    call: { replyTo: 'q', id: 'c' },
  });
});

test('the numbers of a call keep their digits', (t) => {
  const text = JSON.stringify({ ...usual, data: {} }).replace('"data":{}', '"data":{"values":{"a":1.10}}');
  const { args } = cloudevents.decode(
    wholeBody(Buffer.from(text)),
    { messageId: undefined, isCall: true },
    true,
  );
  t.deepEqual(args, { values: { a: 1.1 } });
});

test('an answer is an event, and the client reads it', (t) => {
  for (const answer of [
    { result: { pong: true } },
    { error: { class: 'NotFound', message: 'gone', argument: 'id' } },
  ]) {
    const body = cloudevents.encodeAnswer({ replyTo: 'q', id: 'c1' }, answer);
    const event: JsonObject = JSON.parse(Buffer.from(body).toString());
    t.like(event, { specversion: '1.0', source: '/conductor', datacontenttype: 'application/json' });
    t.deepEqual(cloudEventsForm.decodeReply({ correlationId: undefined, body }), {
      correlationId: 'c1',
      answer,
    });
  }
});

const words = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !text.includes('\0'));

test('an encoded message decodes to the same message', (t) => {
  const methods = fc.string({ minLength: 1, maxLength: 30 }).filter((name) => !name.includes('.'));
  const ids = fc.string({ minLength: 1, maxLength: 255 });
  const args = fc.dictionary(
    words.filter((key) => key !== '__proto__'),
    fc.oneof(words, fc.integer()),
  );
  const property = fc.property(methods, ids, args, (method, messageId, given) => {
    const body = cloudEventsForm.encode({ method, args: given, messageId });
    const envelope = cloudevents.decode(wholeBody(bufferOf(body)), cast, true);
    t.deepEqual(
      { method: envelope.method, args: envelope.args, messageId: envelope.messageId },
      { method, args: JSON.parse(JSON.stringify(given)), messageId },
    );
  });
  fc.assert(property, { numRuns: 300 });
});

test('a method with a dot is refused by the client, since the type could not name it', (t) => {
  t.throws(() => cloudEventsForm.encode({ method: 'a.b', args: {}, messageId: 'm' }));
});

test('the content type decides between the modes, and only known attributes are kept', (t) => {
  const attributes = new EventAttributes();
  t.is(attributes.text(), undefined);
  attributes.add('specversion', '1.0');
  attributes.add('specversion', '2.0');
  attributes.add('x'.repeat(1000), 'y');
  attributes.add('id', 'x'.repeat(5000));
  attributes.addContentType('application/json', true);
  t.is(
    attributes.text(),
    `"specversion":"1.0","id":"${'x'.repeat(1025)}","datacontenttype":"application/json"`,
  );
  attributes.addContentType('Application/CloudEvents+json; charset=utf-8', true);
  t.is(attributes.text(), undefined);
});

test('the attributes of a signed event do not count, since nobody signs properties', (t) => {
  t.true(readsEvents({ codec: 'cloudevents', auth: { mode: 'subject' } }));
  t.false(readsEvents({ codec: 'cloudevents', auth: { mode: 'hmac' } }));
  t.false(readsEvents({ codec: 'native', auth: { mode: 'none' } }));
});
