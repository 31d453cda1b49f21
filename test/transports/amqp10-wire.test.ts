import test from 'ava';
import fc from 'fast-check';
import rhea from 'rhea';
import { decodeMessage } from '../../src/transports/amqp10/decode.ts';
import { encodeMessage } from '../../src/transports/amqp10/encode.ts';

/** Our reading and writing of messages, against the client library's. */

const body = Buffer.from('{"a": 1}');
const library = (message: object): Buffer => rhea.message.encode({ body: null, ...message });
const uuid = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

test('a body is the bytes of data sections, or of a value that is a string or binary', (t) => {
  const long = Buffer.alloc(70_000, 'x');
  for (const [form, expected] of [
    [rhea.message.data_section(body), body],
    [rhea.message.data_section(long), long],
    [
      rhea.message.data_sections([body, Buffer.from('and'), long]),
      Buffer.concat([body, Buffer.from('and'), long]),
    ],
    ['{"ä": 1}', Buffer.from('{"ä": 1}')],
    [body, body],
    [long.toString(), long],
    [null, Buffer.alloc(0)],
    [rhea.message.data_section(Buffer.alloc(0)), Buffer.alloc(0)],
  ] as const) {
    t.deepEqual(
      decodeMessage(library({ body: form, subject: 's', application_properties: { a: 'b' } })).body,
      expected,
    );
  }
});

test('any other body is handed on as it is encoded, and no JSON begins like that', (t) => {
  for (const form of [
    { a: 1 },
    [1, 2],
    7,
    true,
    rhea.types.wrap_symbol('s'),
    rhea.message.sequence_section([1]),
  ]) {
    const message = library({ body: form, message_id: 'm' });
    const decoded = decodeMessage(message);
    t.is(decoded.messageId, 'm');
    t.is(decoded.body[0], 0);
    t.true(message.subarray(-decoded.body.length).equals(decoded.body));
  }
});

test('an id of any type is a text that keeps the type', (t) => {
  for (const [id, text] of [
    ['c-1', 'c-1'],
    ['', ''],
    ['ID:AMQP_UUID:no', 'ID:AMQP_STRING:ID:AMQP_UUID:no'],
    [0, 'ID:AMQP_ULONG:0'],
    [7, 'ID:AMQP_ULONG:7'],
    [2 ** 40, 'ID:AMQP_ULONG:1099511627776'],
    [rhea.types.wrap_ulong(Buffer.alloc(8, 255)), 'ID:AMQP_ULONG:18446744073709551615'],
    [rhea.types.wrap_uuid(uuid), 'ID:AMQP_UUID:00112233-4455-6677-8899-aabbccddeeff'],
    [rhea.types.wrap_binary(Buffer.from([1, 255])), 'ID:AMQP_BINARY:01FF'],
    [rhea.types.wrap_binary(Buffer.alloc(300, 10)), `ID:AMQP_BINARY:${'0A'.repeat(300)}`],
  ] as const) {
    const { messageId, correlationId } = decodeMessage(library({ message_id: id, correlation_id: id }));
    t.is(messageId, text);
    t.is(correlationId, text);
    const sent = encodeMessage({ body, correlationId: text, messageId: text });
    t.is(decodeMessage(sent).correlationId, text);
    t.is(decodeMessage(sent).messageId, text);
  }
});

test('a text that claims to be an id of a type and is not cannot be sent', (t) => {
  for (const id of [
    'ID:AMQP_UUID:12',
    'ID:AMQP_ULONG:-1',
    'ID:AMQP_ULONG:18446744073709551616',
    'ID:AMQP_BINARY:0',
  ])
    t.throws(() => encodeMessage({ body, correlationId: id }), { name: 'Undeliverable' });
});

test('reply address, user, expiry and whether it comes again are read', (t) => {
  const expiry = 1_795_397_690_635;
  const decoded = decodeMessage(
    library({
      ttl: 5000,
      first_acquirer: true,
      reply_to: '/queue/r',
      user_id: 'i-1',
      absolute_expiry_time: expiry,
    }),
  );
  t.like(decoded, { ttl: 5000, replyTo: '/queue/r', absoluteExpiryTime: expiry, redelivered: false });
  t.is(decoded.userId?.toString(), 'i-1');
  t.true(decodeMessage(library({ first_acquirer: false, durable: true })).redelivered);
  t.true(decodeMessage(library({ first_acquirer: true, delivery_count: 2 })).redelivered);
  t.false(decodeMessage(rhea.message.encode({ body: null }).subarray(0)).redelivered === undefined);
});

test('what is encoded the library reads', (t) => {
  const payload = encodeMessage({
    body,
    messageId: 'm',
    userId: 'u',
    to: '/queue/q',
    replyTo: '/queue/r',
    correlationId: 'c',
    ttl: 1500,
  });
  const message = rhea.message.decode(payload);
  t.like(message, {
    durable: true,
    ttl: 1500,
    message_id: 'm',
    to: '/queue/q',
    reply_to: '/queue/r',
    correlation_id: 'c',
  });
  t.is(String(message.user_id), 'u');
  t.deepEqual(message.body.content, body);
});

test('a message that breaks off or makes no sense is handed on whole', (t) => {
  const message = library({ message_id: 'm', body: rhea.message.data_section(body) });
  for (let length = 1; length < message.length; length += 1) {
    const part = message.subarray(0, length);
    const decoded = decodeMessage(part).body;
    // Cut between two sections it is a message without a body.
    t.true(decoded.length === 0 || decoded.equals(part));
  }
  t.deepEqual(decodeMessage(Buffer.alloc(100)).body, Buffer.alloc(100));
});

test('no bytes make the reading throw, or lead out of the message', (t) => {
  const valid = library({ message_id: 7, reply_to: 'r', ttl: 3, body: rhea.message.data_section(body) });
  const mutated = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 })
    .map((changes) => {
      const bytes = Buffer.from(valid);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(fc.oneof(mutated, bytes), (message) => decodeMessage(message).body.length <= message.length),
    { numRuns: 3000 },
  );
  t.pass();
});
