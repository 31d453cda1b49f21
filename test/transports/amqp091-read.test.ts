import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import test from 'ava';
import fc from 'fast-check';
import { acknowledge, onConnectionFault, readMessages, requeue } from '../../src/transports/amqp091/read.ts';
import type { Message } from '../../src/transports/amqp091/read-properties.ts';
import { contentOf, frame, framesOf, property, type Sent, short } from '../support/amqp091-bytes.ts';
import { Connection, library, listOf, usedOf, version, wellFormed } from '../support/amqplib-inside.ts';

/** The library's connection as far as the reader knows it. */
class Wire extends EventEmitter {
  readonly stream = new Readable({ read: () => {} });
  rest = Buffer.alloc(0);
  maxFrameSize = 131_072;
  recvSinceLastCheck = false;
  recvFrame: () => unknown = Connection.prototype.recvFrame;
  readonly sent: Buffer[] = [];
  sendBytes = (bytes: Buffer) => void this.sent.push(bytes);
}

const ours = { ch: 1 };

/** What the chunks bring: messages of the channel that is read, and frames for the library. */
function readAll(chunks: ReadonlyArray<Buffer>, wire = new Wire()) {
  const messages: Message[] = [];
  const others: unknown[] = [];
  const copy = (message: Message) => messages.push({ ...message, body: Buffer.from(message.body) });
  readMessages({ connection: wire }, ours, copy, true);
  for (const chunk of chunks) {
    if (chunk.length > 0) wire.stream.push(chunk);
    for (let next = wire.recvFrame(); next !== false; next = wire.recvFrame()) others.push(next);
  }
  return { messages, others, wire };
}

function readByLibrary(bytes: Buffer): unknown[] {
  const wire = new Wire();
  wire.stream.push(bytes);
  const frames: unknown[] = [];
  for (let next = wire.recvFrame(); next !== false; next = wire.recvFrame()) frames.push(next);
  return frames;
}

const basicReturn = Buffer.from([0, 60, 0, 50, 0, 0, 0, 0, 0]);
const anyBytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
const name = anyBytes(255);
const tag = fc.bigInt({ min: 0n, max: 2n ** 53n });
const parts = fc.array(anyBytes(300), { maxLength: 4 });
const sent = fc.record({ tag, redelivered: fc.boolean(), exchange: name, routingKey: name, parts });
const good = fc
  .tuple(sent, wellFormed)
  .map(([message, properties]) => ({ ...message, list: listOf(properties) }));
const heartbeat = frame(8, 0, Buffer.alloc(0));
const confirm = frame(1, 1, Buffer.from([0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 9, 1]));
/** One of ours that comes back, on the same channel. */
const returned = fc
  .tuple(wellFormed, parts)
  .map(([properties, body]) => [
    frame(1, 1, Buffer.concat([basicReturn, short('key')])),
    ...contentOf(listOf(properties), body, 1),
  ]);
const other = fc.oneof(
  fc.constantFrom<Buffer[][]>([heartbeat], [confirm]),
  returned,
  good.map((message) => framesOf(message, 2)),
);

function cutAt(bytes: Buffer, cuts: ReadonlyArray<number>): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

const nothing = Buffer.alloc(0);
const none: Sent = {
  tag: 0n,
  redelivered: false,
  exchange: nothing,
  routingKey: nothing,
  list: nothing,
  parts: [],
};
const cuts = fc.array(fc.nat(), { maxLength: 12 });

test('the reader is written for the installed version of the library', (t) => {
  t.is(version, '2.3.1', 'look at lib/connection.js and lib/frame.js, then at read.ts');
});

test('our reader takes messages unchanged and passes other frames to the library, for any cut of the bytes', (t) => {
  const items = fc.array(fc.oneof({ weight: 3, arbitrary: good }, other), { maxLength: 8 });
  t.notThrows(() =>
    fc.assert(
      fc.property(items, cuts, (list, places) => {
        const frames = list.map((item) => (Array.isArray(item) ? item : framesOf(item)));
        const { messages, others, wire } = readAll(cutAt(Buffer.concat(frames.flat()), places));
        const expected: Sent[] = list.flatMap((item) => (Array.isArray(item) ? [] : [item]));
        t.is(messages.length, expected.length);
        for (const [index, { receivedAt, ...found }] of messages.entries()) {
          const { tag, redelivered, routingKey, list, parts } = expected[index] ?? none;
          const body = Buffer.concat(parts);
          const key = routingKey.toString('utf8');
          t.deepEqual(found, {
            deliveryTag: Number(tag),
            redelivered,
            routingKey: key,
            body,
            ...usedOf(list),
          });
          t.true(receivedAt > 0 && receivedAt <= performance.now());
        }
        const forLibrary = Buffer.concat(list.filter((item) => Array.isArray(item)).flat());
        t.deepEqual(others, readByLibrary(forLibrary));
        t.is(wire.recvSinceLastCheck, frames.length > 0);
      }),
      { numRuns: 500 },
    ),
  );
});

test('a message keeps its body, for any bytes of its properties', (t) => {
  const hostile = fc
    .tuple(sent, fc.oneof(anyBytes(100), wellFormed.map(listOf)), fc.nat(100))
    .map(([message, list, length]) => ({ ...message, list: list.subarray(0, length) }));
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 4 }), cuts, (list, places) => {
        const frames = list.flatMap((message) => framesOf(message));
        const { messages } = readAll(cutAt(Buffer.concat(frames), places));
        const bodies = list.map(({ parts }) => Buffer.concat(parts));
        t.deepEqual(
          messages.map(({ body }) => body),
          bodies,
        );
      }),
      { numRuns: 1000 },
    ),
  );
});

test('bytes behind the end of a cut frame are read from the same chunk', (t) => {
  const message = { tag: 7n, redelivered: false, exchange: short('x'), routingKey: short('y') };
  const large = {
    ...message,
    list: property({}),
    parts: [Buffer.alloc(100_000, 1), Buffer.alloc(50_000, 2)],
  };
  const small = { ...message, list: property({}), parts: [Buffer.from('small')] };
  const all = Buffer.concat([...framesOf(large), ...framesOf(small), heartbeat, ...framesOf(small)]);
  const chunks = Array.from({ length: Math.ceil(all.length / 1460) }, (_, index) =>
    all.subarray(index * 1460, (index + 1) * 1460),
  );
  for (const list of [[all], chunks]) {
    const { messages, others } = readAll(list);
    t.deepEqual(
      messages.map(({ body }) => body.length),
      [150_000, 5, 5],
    );
    t.is(others.length, 1);
  }
});

test('the body of a call keeps no other bytes in memory, because a call may be held for long', (t) => {
  const kept: Uint8Array[] = [];
  const wire = new Wire();
  readMessages({ connection: wire }, ours, ({ body }) => kept.push(body));
  const call = property({ replyTo: Buffer.from('the caller') });
  const sent = {
    tag: 1n,
    redelivered: false,
    exchange: nothing,
    routingKey: nothing,
    parts: [Buffer.from('{}')],
  };
  const frames = [call, property({})].flatMap((list) => framesOf({ ...sent, list }));
  const chunk = Buffer.concat([...frames, Buffer.alloc(60_000)]);
  wire.stream.push(chunk);
  t.throws(() => wire.recvFrame(), { message: /does not end/ });
  t.deepEqual(
    kept.map((body) => Buffer.from(body).toString()),
    ['{}', '{}'],
  );
  t.deepEqual(
    kept.map(({ buffer }) => buffer === chunk.buffer),
    [false, true],
  );
});

test('an exception while a message is received is reported, and is not an error of the reader', (t) => {
  const wire = new Wire();
  const faults: unknown[] = [];
  onConnectionFault({ connection: wire }, (error) => faults.push(error));
  const fault = new Error('a fault of ours');
  readMessages({ connection: wire }, ours, () => {
    throw fault;
  });
  const sent = { tag: 1n, redelivered: false, exchange: short(''), routingKey: short('k'), parts: [] };
  wire.stream.push(Buffer.concat(framesOf({ ...sent, list: property({}) })));
  t.false(wire.recvFrame());
  t.deepEqual(faults, [fault]);
});

test('a frame that is too large or has no end, or a body that is too long, is an error of the connection', (t) => {
  const endless = Buffer.from(frame(3, 1, Buffer.from('body')));
  endless[endless.length - 1] = 0;
  const sent = { tag: 1n, redelivered: false, exchange: short(''), routingKey: short('k') };
  const [deliver, header] = framesOf({ ...sent, list: property({}), parts: [Buffer.from('two')] });
  for (const [bytes, message] of [
    [frame(3, 1, Buffer.alloc(200_000)), /too large/],
    [endless, /does not end/],
    [Buffer.concat([deliver ?? endless, header ?? endless, frame(3, 1, Buffer.from('more'))]), /more bytes/],
  ] as const)
    t.throws(() => readAll([bytes]), { message });
});

test("our acknowledgements have the same bytes as the library's", (t) => {
  const wire = new Wire();
  const model = { connection: wire };
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(tag.map(Number), { maxLength: 5 }), fc.boolean(), (tags, allUpTo) => {
        wire.sent.length = 0;
        acknowledge(model, ours, tags, allUpTo);
        requeue(model, ours, tags);
        const expected = [
          ...tags.map((deliveryTag) =>
            library.encodeMethod(library.BasicAck, 1, { deliveryTag, multiple: allUpTo }),
          ),
          ...tags.map((deliveryTag) =>
            library.encodeMethod(library.BasicNack, 1, { deliveryTag, multiple: false, requeue: true }),
          ),
        ];
        t.deepEqual(Buffer.concat(wire.sent), Buffer.concat(expected));
      }),
    ),
  );
});

test('a library with other internals is refused in one line', (t) => {
  const message = /amqplib .* 2\.3\.1/;
  t.throws(() => readMessages({ connection: new EventEmitter() }, ours, () => {}), { message });
  t.throws(() => readMessages({ connection: new Wire() }, {}, () => {}), { message });
});
