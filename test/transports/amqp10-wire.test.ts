import test from 'ava';
import fc from 'fast-check';
import rhea from 'rhea';
import { encodeMessage } from '../../src/transports/amqp10/publish.ts';
import { decodeMessage } from '../../src/transports/amqp10/read-message.ts';
import { listOf, mapOf, nothing, section, string } from './amqp10-frames.ts';

/** Our reading and writing of messages, against the client library's. */

const body = Buffer.from('{"a": 1}');
const library = (message: object): Buffer => rhea.message.encode({ body: null, ...message });
const uuid = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

test('a body is the bytes of data sections, or of a value that is a string or binary', (t) => {
  const [and, long] = [Buffer.from('and'), Buffer.alloc(70_000, 'x')];
  for (const [form, expected] of [
    [rhea.message.data_section(body), body],
    [rhea.message.data_section(long), long],
    [rhea.message.data_sections([body, and, long]), Buffer.concat([body, and, long])],
    ['{"ä": 1}', Buffer.from('{"ä": 1}')],
    [body, body],
    [long.toString(), long],
    [null, Buffer.alloc(0)],
    [rhea.message.data_section(Buffer.alloc(0)), Buffer.alloc(0)],
  ] as const) {
    const message = library({ body: form, subject: 's', application_properties: { a: 'b' } });
    t.deepEqual(decodeMessage(message).body, expected);
  }
});

test('any other body is passed on encoded, and its first byte cannot begin JSON', (t) => {
  const sequence = rhea.message.sequence_section([1]);
  for (const form of [{ a: 1 }, [1, 2], 7, true, rhea.types.wrap_symbol('s'), sequence]) {
    const message = library({ body: form, message_id: 'm' });
    const decoded = decodeMessage(message);
    t.is(decoded.messageId, 'm');
    t.is(decoded.body[0], 0);
    t.true(message.subarray(-decoded.body.length).equals(decoded.body));
  }
});

test('an id of any type becomes a text that keeps the type', (t) => {
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

test('a text that claims to be a typed id but is not one cannot be sent', (t) => {
  for (const id of ['UUID:12', 'ULONG:-1', 'ULONG:18446744073709551616', 'BINARY:0'])
    t.throws(() => encodeMessage({ body, correlationId: `ID:AMQP_${id}` }), { name: 'Undeliverable' });
});

test('the reader takes reply address, user, expiry and redelivery', (t) => {
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

test('the library reads our encoding', (t) => {
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

test('a message that is cut or invalid is passed on whole', (t) => {
  const message = library({ message_id: 'm', body: rhea.message.data_section(body) });
  for (let length = 1; length < message.length; length += 1) {
    const part = message.subarray(0, length);
    const decoded = decodeMessage(part).body;
    // Cut between two sections it is a message without a body.
    t.true(decoded.length === 0 || decoded.equals(part));
  }
  t.deepEqual(decodeMessage(Buffer.alloc(100)).body, Buffer.alloc(100));
});

const bodySection = section(0x75, Buffer.concat([Buffer.from([0xa0, body.length]), body]));

test('sections count in any order, and unknown ones do not', (t) => {
  const sections = [
    section(0x70, listOf(nothing, nothing, Buffer.from([0x52, 9]))),
    section(0x71, mapOf(string('x'), string('y'))),
    section(0x72, mapOf(string('x'), nothing)),
    section(0x73, listOf(string('m'), nothing, nothing, nothing, string('r'))),
    section(0x74, mapOf(string('compression'), string('gzip'))),
    bodySection,
    section(0x78, mapOf()),
    section(0x79, string('unknown')),
  ];
  for (let turn = 0; turn < sections.length; turn += 1) {
    sections.push(...sections.splice(0, 1));
    for (const order of [sections, sections.toReversed()]) {
      t.like(decodeMessage(Buffer.concat(order)), {
        ttl: 9,
        messageId: 'm',
        replyTo: 'r',
        compression: 'gzip',
        body,
      });
    }
  }
});

test('the first of two headers counts, because the broker writes that one', (t) => {
  const first = section(0x70, listOf(nothing, nothing, Buffer.from([0x52, 9]), Buffer.from([0x41])));
  const second = section(0x70, listOf(nothing, nothing, Buffer.from([0x52, 7]), Buffer.from([0x42])));
  t.like(decodeMessage(Buffer.concat([first, second, bodySection])), { ttl: 9, redelivered: false });
});

test('two sections of properties do not count, because the broker may have checked only one of them', (t) => {
  const from = (user: string) =>
    section(0x73, listOf(string('m'), Buffer.concat([Buffer.from([0xa0, user.length]), Buffer.from(user)])));
  t.is(decodeMessage(Buffer.concat([from('i-1'), bodySection])).userId?.toString(), 'i-1');
  for (const order of [
    [from('i-1'), from('i-2'), bodySection],
    [from('i-1'), bodySection, from('i-1')],
  ]) {
    const message = Buffer.concat(order);
    t.like(decodeMessage(message), { body: message, userId: undefined, messageId: undefined });
  }
});

test('only a binary proves the user, as brokers check it', (t) => {
  const decoded = decodeMessage(Buffer.concat([section(0x73, listOf(nothing, string('i-1'))), bodySection]));
  t.like(decoded, { userId: undefined, body });
});

test('properties of a wrong type are ignored', (t) => {
  const values = [
    Buffer.from([0x41]),
    Buffer.from([0x52, 1]),
    Buffer.from([0x82, 0, 0, 0, 0, 0, 0, 0, 1]),
    Buffer.from([0xa3, 1, 0x78]),
    Buffer.from([0xe0, 2, 0, 0x41]),
    listOf(nothing),
    mapOf(string('a'), nothing),
    Buffer.concat([Buffer.from([0, 0x53, 0x24]), listOf()]),
  ];
  for (const value of values) {
    const message = Buffer.concat([
      section(0x73, listOf(...Array.from({ length: 13 }, () => value))),
      bodySection,
    ]);
    t.deepEqual(decodeMessage(message), {
      body,
      messageId: undefined,
      userId: undefined,
      replyTo: undefined,
      correlationId: undefined,
      ttl: undefined,
      absoluteExpiryTime: undefined,
      redelivered: false,
      compression: undefined,
    });
  }
});

test('compression is the application property of that name if it is a string; other properties do not affect the body', (t) => {
  const name = string('compression');
  for (const [properties, expected] of [
    [mapOf(name, string('application/x-gzip')), 'application/x-gzip'],
    [mapOf(string('compressions'), string('a'), string('compressiom'), nothing, name, string('b')), 'b'],
    [mapOf(string('a'), mapOf(name, string('not this one')), name, string('this')), 'this'],
    [mapOf(name, Buffer.from([0xa0, 1, 0x78])), undefined],
    [mapOf(name, nothing), undefined],
    [mapOf(nothing, name), undefined],
    [mapOf(string('a'), name), undefined],
    [mapOf(name), undefined],
    [listOf(name, string('x')), undefined],
    [Buffer.from([0xc1, 3, 200, 0xa1, 9]), undefined],
    [Buffer.from([0xc1, 0]), undefined],
    [nothing, undefined],
  ] as const) {
    const message = Buffer.concat([section(0x74, properties), bodySection]);
    const decoded = decodeMessage(message);
    t.is(decoded.compression, expected, properties.toString('hex'));
    t.deepEqual(decoded.body, body);
  }
  t.is(
    decodeMessage(library({ application_properties: { a: 1, compression: 'bzip2', b: [] }, body }))
      .compression,
    'bzip2',
  );
});

test('for any bytes the reader does not throw, and stays inside the message', (t) => {
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
