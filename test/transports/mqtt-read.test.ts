import { deepStrictEqual } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { generate, type IPublishPacket, type Packet } from 'mqtt-packet';
import { NotConnected } from '../../src/core/errors.ts';
import type { DeliveryMeta } from '../../src/core/transport/contract.ts';
import { PacketReader } from '../../src/transports/mqtt/read.ts';
import { encodeAcks, PublishReader } from '../../src/transports/mqtt/read-publish.ts';

type Version = 4 | 5;

interface Message {
  readonly body: string;
  readonly meta: Omit<DeliveryMeta, 'receivedAt' | 'deadline'>;
  /** Seconds. */
  readonly expiry: number | undefined;
  readonly ack: number;
  readonly clears: boolean;
}

/** What the reader makes of the chunks, and the bytes that it passes on. */
function read(chunks: ReadonlyArray<Buffer>, version: Version = 5) {
  const messages: Message[] = [];
  const passed: Buffer[] = [];
  const reader = new PacketReader(
    {
      receive(body, { receivedAt, deadline, ...meta }, ack, clears) {
        const expiry = deadline === undefined ? undefined : Math.round((deadline - receivedAt) / 1000);
        messages.push({ body: Buffer.from(body).toString('hex'), meta, expiry, ack, clears });
      },
      pass: (bytes) => passed.push(Buffer.from(bytes)),
    },
    new PublishReader({
      hasProperties: version === 5,
      bySubject: true,
      readsEvents: false,
      readsTrace: false,
    }),
  );
  let error: unknown;
  try {
    for (const chunk of chunks) reader.feed(chunk);
  } catch (thrown) {
    error = thrown;
  }
  return { messages, passed: Buffer.concat(passed).toString('hex'), error };
}

/** The bytes, cut at the places given. */
function cut(bytes: Buffer, places: ReadonlyArray<number>): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

const text = fc.string({ unit: 'binary', maxLength: 20 }).map((one) => one.toWellFormed());
const bytes = fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one));

const properties = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.nat(0xffff_ffff),
    responseTopic: text,
    correlationData: bytes,
    contentType: text,
    subscriptionIdentifier: fc.integer({ min: 1, max: 268_435_455 }),
    userProperties: fc.dictionary(
      fc.oneof(text, fc.constant('message-id')),
      fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 })),
      // Of none at all the library writes a wrong length.
      { minKeys: 1, maxKeys: 4, noNullPrototype: false },
    ),
  },
  { requiredKeys: [] },
);

const publish = fc.record({
  cmd: fc.constant('publish' as const),
  topic: fc.tuple(text, text).map(([first, last]) => `t/${first}/${last.replaceAll('/', '')}`),
  payload: bytes,
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  dup: fc.boolean(),
  retain: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  properties,
});

const other: fc.Arbitrary<Packet> = fc.oneof(
  fc.constant<Packet>({ cmd: 'pingresp' }),
  fc.integer({ min: 1, max: 65_535 }).map((messageId): Packet => ({ cmd: 'puback', messageId })),
  fc
    .integer({ min: 1, max: 65_535 })
    .map((messageId): Packet => ({ cmd: 'suback', messageId, granted: [1] })),
  fc
    .string({ maxLength: 300 })
    .map((reasonString): Packet => ({ cmd: 'disconnect', reasonCode: 0x8e, properties: { reasonString } })),
);

function expected(
  { topic, payload, qos, dup, retain, messageId, properties = {} }: IPublishPacket,
  version: Version,
): Message {
  const { responseTopic, correlationData, messageExpiryInterval, userProperties } =
    version === 5 ? properties : {};
  const id =
    userProperties !== undefined && Object.hasOwn(userProperties, 'message-id')
      ? userProperties['message-id']
      : undefined;
  const only = Array.isArray(id) && id.length === 1 ? id[0] : id;
  return {
    body: Buffer.from(payload).toString('hex'),
    meta: {
      messageId: typeof only === 'string' ? only : undefined,
      replyTo: responseTopic,
      correlationId: correlationData?.toString('latin1'),
      sender: topic.slice(topic.lastIndexOf('/') + 1),
      senderProof: 'subject',
      redelivered: dup,
    },
    expiry: messageExpiryInterval,
    ack: qos === 0 ? 0 : (qos === 2 ? 0x5002_0000 : 0x4002_0000) + (messageId ?? 0),
    clears: retain && payload.length === 0,
  };
}

for (const version of [5, 4] as const) {
  test(`mqtt ${version === 5 ? '5' : '3.1.1'}: the reader takes the messages of the library's own encoder, for any cut of the bytes, and passes on the rest`, (t) => {
    const property = fc.property(
      fc.array(fc.oneof(publish, other), { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (packets, places) => {
        const written = packets.map((packet) => generate(packet as Packet, { protocolVersion: version }));
        const messages = packets.filter((packet) => packet.cmd === 'publish');
        const others = written.filter((_, index) => packets[index]?.cmd !== 'publish');
        const result = read(cut(Buffer.concat(written), places), version);
        deepStrictEqual(result, {
          messages: messages.map((packet) => expected(packet, version)),
          passed: Buffer.concat(others).toString('hex'),
          error: undefined,
        });
      },
    );
    t.notThrows(() => fc.assert(property, { numRuns: 400 }));
  });
}

test('mqtt 5: a message with any bytes as properties is one message, and is acknowledged', (t) => {
  const property = fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (rest, fits) => {
    // With a length that fits, the reader gets to the properties themselves.
    const properties = Buffer.from(fits ? [rest.length, ...rest] : rest);
    const content = Buffer.concat([Buffer.from([0, 1, 0x61, 0x12, 0x34]), properties]);
    const { messages, error } = read([Buffer.from([0x32, content.length]), content]);
    deepStrictEqual(error, undefined);
    deepStrictEqual(
      messages.map(({ ack }) => ack),
      [0x4002_1234],
    );
  });
  t.notThrows(() => fc.assert(property, { numRuns: 2000 }));
});

test('mqtt: any bytes are read the same for any cut, and throw only NotConnected', (t) => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    // Something like a message.
    fc.uint8Array({ maxLength: 60 }).map((one) => Uint8Array.from([0x32, one.length, ...one])),
  );
  const property = fc.property(anything, fc.array(fc.nat(), { maxLength: 10 }), (all, places) => {
    const whole = read([Buffer.from(all)]);
    const inPieces = read(cut(Buffer.from(all), places));
    deepStrictEqual(inPieces.messages, whole.messages);
    deepStrictEqual(inPieces.passed, whole.passed);
    deepStrictEqual(String(inPieces.error), String(whole.error));
    deepStrictEqual(whole.error === undefined || whole.error instanceof NotConnected, true);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 2000 }));
});

test('mqtt 5: a message with properties that cannot be read has their bytes', (t) => {
  // A response topic that is longer than all properties.
  const content = Buffer.from([0, 1, 0x61, 0, 7, 4, 0x08, 0xff, 0xff, 0x61, 0x7b]);
  const { messages } = read([Buffer.from([0x32, content.length]), content]);
  t.deepEqual(
    messages.map(({ body, meta, ack }) => [body, meta.replyTo, ack]),
    [['0408ffff617b', undefined, 0x4002_0007]],
  );
});

for (const [what, packet] of [
  ['of QoS 3', [0x36, 4, 0, 1, 0x61, 0]],
  ['that is shorter than its topic', [0x30, 3, 0, 9, 0x61]],
  ['without room for its packet id', [0x32, 4, 0, 1, 0x61, 0]],
  ['with the packet id 0', [0x32, 6, 0, 1, 0x61, 0, 0, 0]],
  ['without a topic', [0x30, 3, 0, 0, 0]],
  ['whose length has five bytes', [0x30, 0x80, 0x80, 0x80, 0x80, 1]],
] as const) {
  test(`mqtt: a message ${what} ends the reading`, (t) => {
    const { messages, error } = read([Buffer.from(packet)]);
    t.deepEqual(messages, []);
    t.true(error instanceof NotConnected);
  });
}

test("mqtt: our acknowledgements have the same bytes as the library's", (t) => {
  const acks = encodeAcks([{ handle: 0x4002_0102 }, { handle: 0x5002_ffff }]);
  const own = [
    generate({ cmd: 'puback', messageId: 0x0102 }),
    generate({ cmd: 'pubrec', messageId: 0xffff }),
  ];
  t.deepEqual(acks, Buffer.concat(own));
});
