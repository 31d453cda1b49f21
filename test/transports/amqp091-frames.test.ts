import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import fc from 'fast-check';
import { readMessagesOurselves } from '../../src/transports/amqp091/frames.ts';
import { type Properties, readProperties } from '../../src/transports/amqp091/properties.ts';
import { field, fieldTypes, frame, property, table } from '../support/amqp091-bytes.ts';

/** The library's own reading of these frames, which its `exports` hide. */
const amqplib = fileURLToPath(new URL('../../node_modules/amqplib/', import.meta.url));
const require = createRequire(import.meta.url);
const library: {
  decode(id: number, bytes: Buffer): Record<string, unknown> & { headers?: Record<string, unknown> };
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer;
} = require(`${amqplib}lib/defs.js`);
const { Connection }: { Connection: { prototype: { recvFrame(): unknown } } } = require(
  `${amqplib}lib/connection.js`,
);

const basic = 60;

/** A frame's bytes before the flags: its own seven, class, weight and size. */
const beforeFlags = 7 + 12;

const texts = fc.string({ maxLength: 60, unit: 'binary' });
const value = fc.oneof(
  texts,
  fc.integer(),
  fc.double({ noNaN: true, min: -1e9, max: 1e9 }),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.array(fc.integer(), { maxLength: 5 }),
  fc.dictionary(texts, fc.oneof(texts, fc.boolean()), { maxKeys: 3 }),
);
const octet = fc.integer({ min: 0, max: 255 });
const wellFormed = fc.record(
  {
    contentType: texts,
    contentEncoding: texts,
    headers: fc
      .tuple(
        fc.dictionary(texts, value, { maxKeys: 5 }),
        fc.option(value, { nil: undefined }),
        fc.dictionary(texts, value, { maxKeys: 5 }),
      )
      .map(([before, compression, after]) => ({
        ...before,
        ...(compression !== undefined && { compression }),
        ...after,
      })),
    deliveryMode: octet,
    priority: octet,
    correlationId: texts,
    replyTo: texts,
    expiration: texts,
    messageId: texts,
    timestamp: fc.nat(),
    type: texts,
    userId: texts,
    appId: texts,
  },
  { requiredKeys: [] },
);

/** Of what the library reads, that which we use. */
function used({ headers, ...others }: ReturnType<typeof library.decode>): Record<string, unknown> {
  const compression = headers?.compression;
  return {
    headers: typeof compression === 'string' ? { compression } : undefined,
    correlationId: others.correlationId,
    replyTo: others.replyTo,
    expiration: others.expiration,
    messageId: others.messageId,
    userId: others.userId,
  };
}

function read(list: Buffer): Properties {
  return readProperties(list, 0, list.length);
}

test('it is written for this version of the library', (t) => {
  const { version }: { version: string } = require(`${amqplib}package.json`);
  t.is(version, '2.3.1', 'look at lib/connection.js and lib/frame.js, then at frames.ts');
});

test('properties are read as the library reads them', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(wellFormed, (properties) => {
        const encoded = library.encodeProperties(basic, 1, 0, properties);
        const list = encoded.subarray(beforeFlags, encoded.length - 1);
        t.deepEqual({ ...read(list) }, used(library.decode(basic, list)));
      }),
      { numRuns: 2000 },
    ),
  );
});

test('whatever bytes the properties are, reading them does not fail', (t) => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((all) => Buffer.from(all));
  const cut = fc.tuple(wellFormed, fc.nat(200), octet, fc.nat(200)).map(([properties, at, by, length]) => {
    const encoded = library.encodeProperties(basic, 1, 0, properties);
    const list = Buffer.from(encoded.subarray(beforeFlags, encoded.length - 1));
    if (at < list.length) list[at] = by;
    return list.subarray(0, length);
  });
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.oneof(bytes, cut), fc.nat(10), (list, before) => {
        const larger = Buffer.concat([Buffer.alloc(before, 0xff), list, Buffer.alloc(5, 0xff)]);
        const found = readProperties(larger, before, before + list.length);
        t.deepEqual(found, read(list), 'what stands around it is not read');
      }),
      { numRuns: 20_000 },
    ),
  );
});

test('a table holds up nothing, whatever is in it', (t) => {
  const compression = field('compression', 'S', Buffer.from('gzip'));
  for (const [type, data] of fieldTypes) {
    const headers = table(field('before', type, data), compression, field('after', type, data));
    const found = read(property({ headers, messageId: Buffer.from('id') }));
    t.deepEqual(found.headers, { compression: 'gzip' }, type);
    t.is(found.messageId, 'id', type);
  }
  let deep = table();
  for (let depth = 0; depth < 15_000; depth += 1) deep = table(field('', 'F', deep.subarray(4)));
  const found = read(property({ headers: table(field('deep', 'F', deep.subarray(4)), compression) }));
  t.deepEqual(found.headers, { compression: 'gzip' });
});

test('of a table with a field of an unknown type, what stands before it counts', (t) => {
  const compression = field('compression', 'S', Buffer.from('gzip'));
  const known = new Set(fieldTypes.map(([type]) => type));
  for (let code = 0; code < 256; code += 1) {
    const letter = String.fromCharCode(code);
    if (known.has(letter)) continue;
    const unknown = field('unknown', letter, Buffer.from([0, 0, 0, 0]));
    const messageId = Buffer.from('id');
    const before = read(property({ headers: table(compression, unknown), messageId }));
    t.deepEqual([before.headers, before.messageId], [{ compression: 'gzip' }, 'id']);
    const after = read(property({ headers: table(unknown, compression), messageId }));
    t.deepEqual([after.headers, after.messageId], [undefined, 'id']);
  }
});

test('a compression that is no text is none', (t) => {
  for (const [type, data] of fieldTypes) {
    const { headers } = read(property({ headers: table(field('compression', type, data)) }));
    if (type !== 'S') t.is(headers, undefined, type);
  }
});

test('flags may go on in further words', (t) => {
  const list = Buffer.concat([Buffer.from([0x00, 0x81, 0xff, 0xff, 0x00, 0x00, 2]), Buffer.from('id')]);
  t.is(read(list).messageId, 'id');
  t.is(read(list.subarray(0, 3)).messageId, undefined);
});

/** The library's connection as far as the reader knows it. */
class Wire extends EventEmitter {
  readonly stream = new Readable({ read: () => {} });
  rest = Buffer.alloc(0);
  maxFrameSize = 131_072;
  recvSinceLastCheck = false;
  recvFrame: () => unknown = Connection.prototype.recvFrame;
}

interface Frame {
  readonly id?: number;
  readonly channel: number;
  readonly fields?: { readonly [name: string]: unknown };
  readonly content?: Buffer;
  readonly size?: number;
}

function framesOf(wire: Wire, chunks: ReadonlyArray<Buffer>): Frame[] {
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    if (chunk.length > 0) wire.stream.push(chunk);
    for (let next = wire.recvFrame(); next !== false; next = wire.recvFrame()) frames.push(next as Frame);
  }
  return frames;
}

function plain({ fields, ...others }: Frame) {
  if (fields === undefined || others.id === basic)
    return { ...others, fields: fields && (others.size === undefined ? fields : used(fields)) };
  const { exchange, routingKey, consumerTag, deliveryTag, redelivered } = fields;
  return { ...others, fields: { exchange, routingKey, consumerTag, deliveryTag, redelivered } };
}

const short = fc
  .uint8Array({ maxLength: 255 })
  .map((bytes) => Buffer.concat([Buffer.of(bytes.length), bytes]));
const delivered = fc
  .tuple(short, fc.bigInt({ min: 0n, max: 2n ** 53n }), fc.boolean(), short, short)
  .map(([tag, number, redelivered, exchange, routingKey]) => {
    const fixed = Buffer.alloc(9);
    fixed.writeBigUInt64BE(number);
    fixed[8] = redelivered ? 1 : 0;
    return frame(1, 1, Buffer.concat([Buffer.from([0, 60, 0, 60]), tag, fixed, exchange, routingKey]));
  });
const headers = wellFormed.map((properties) => library.encodeProperties(basic, 1, 7, properties));
const bodies = fc.uint8Array({ maxLength: 300 }).map((bytes) => frame(3, 1, Buffer.from(bytes)));
const others = fc.constantFrom(
  frame(8, 0, Buffer.alloc(0)),
  frame(1, 1, Buffer.from([0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 9, 1])),
);

test('frames are read as the library reads them, however they are cut', (t) => {
  const frames = fc.array(fc.oneof(delivered, headers, bodies, others), { maxLength: 12 });
  t.notThrows(() =>
    fc.assert(
      fc.property(frames, fc.array(fc.nat(2000), { maxLength: 8 }), (list, cuts) => {
        const all = Buffer.concat(list);
        const places = [0, ...cuts.map((cut) => Math.min(cut, all.length)), all.length].sort((a, b) => a - b);
        const chunks = places.slice(1).map((end, index) => all.subarray(places[index], end));
        const ours = new Wire();
        readMessagesOurselves({ connection: ours });
        t.deepEqual(framesOf(ours, chunks).map(plain), framesOf(new Wire(), [all]).map(plain));
        t.is(ours.recvSinceLastCheck, all.length > 0);
      }),
      { numRuns: 500 },
    ),
  );
});

test('a frame that is too large or has no end is an error of the connection', (t) => {
  const large = frame(3, 1, Buffer.alloc(200_000));
  const endless = Buffer.from(frame(3, 1, Buffer.from('body')));
  endless[endless.length - 1] = 0;
  for (const [bytes, message] of [
    [large, /too large/],
    [endless, /does not end/],
  ] as const) {
    const wire = new Wire();
    readMessagesOurselves({ connection: wire });
    t.throws(() => framesOf(wire, [bytes]), { message });
  }
});

test('a library with another inside is refused in one line', (t) => {
  t.throws(() => readMessagesOurselves({ connection: new EventEmitter() }), {
    message: /amqplib .* 2\.3\.1/,
  });
});
