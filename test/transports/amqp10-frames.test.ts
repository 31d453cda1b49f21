import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import rhea from 'rhea';
import { Deliveries } from '../../src/transports/amqp10/read.ts';
import { isTransfer, readTransfer, type Transfer } from '../../src/transports/amqp10/read-frame.ts';
import { accepted, dispositions, released } from '../../src/transports/amqp10/settle.ts';
import { transfer } from './amqp10-frames.ts';

/** The reader of transfer frames, the writer of dispositions, and where they reach inside the client library. */

const blank = (): Transfer => ({ id: undefined, handle: 0, flags: 0, payload: 0 });
const lastId = 2 ** 32 - 1;

/** First, last and outcome of each frame. */
function rangesOf(bytes: Buffer): Array<readonly [first: number, last: number, outcome: number]> {
  const ranges: Array<readonly [number, number, number]> = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at))
    ranges.push([bytes.readUInt32BE(at + 16), bytes.readUInt32BE(at + 21), bytes.readUInt8(at + 28)]);
  return ranges;
}

test('the client library is the version whose inside is known', (t) => {
  const url = new URL('../../node_modules/rhea/package.json', import.meta.url);
  const { version }: { version: string } = JSON.parse(readFileSync(url, 'utf8'));
  t.regex(
    version,
    /^3\.0\./,
    `rhea is ${version}: compare its session.js, link.js, connection.js and transport.js with what read.ts says of them`,
  );
});

test('a client library with another inside is named as the reason', (t) => {
  const reading = { reads: () => true, failedToWrite: () => {} };
  for (const name of ['_register', '_process', 'on_transfer']) {
    const connection = rhea.create_container().create_connection({ reconnect: false });
    Reflect.set(connection, name, undefined);
    t.throws(() => new Deliveries(connection, reading), {
      message: new RegExp(`^rhea has the method ${name} in another form`),
    });
  }
  const connection = rhea.create_container().create_connection({ reconnect: false });
  const deliveries = new Deliveries(connection, reading);
  Reflect.set(connection, 'amqp_transport', undefined);
  t.throws(() => deliveries.tap(connection), { message: /^rhea has amqp_transport in another form/ });
  const receiver = connection.create_session().create_receiver('x', {});
  Reflect.set(receiver, 'credit', undefined);
  const taker = { take: () => {}, aborted: () => {} };
  t.throws(() => deliveries.receive(receiver, taker), { message: /^rhea has the counters of a link/ });
});

test('one frame settles what follows one another, and a range ends with the last number', (t) => {
  t.deepEqual(rangesOf(dispositions(0, [1, 2, 3, 7, 9, 10], accepted)), [
    [1, 3, accepted],
    [7, 7, accepted],
    [9, 10, accepted],
  ]);
  t.deepEqual(rangesOf(dispositions(0, [lastId - 1, lastId, 0, 1], released)), [
    [lastId - 1, lastId, released],
    [0, 1, released],
  ]);
  t.deepEqual(rangesOf(dispositions(0, [4, undefined, 5, undefined], accepted)), [
    [4, 4, accepted],
    [5, 5, accepted],
  ]);
  t.is(dispositions(0, [undefined], accepted).length, 0);
});

test('the ranges hold each delivery once, whatever the order', (t) => {
  const ids = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 40 });
  fc.assert(
    fc.property(ids, (settled) => {
      const covered: number[] = [];
      for (const [first, last] of rangesOf(dispositions(1, settled, accepted)))
        for (let id = first; id <= last; id += 1) covered.push(id);
      t.deepEqual(covered, settled);
    }),
  );
});

test('of a transfer frame number, flags and payload are read', (t) => {
  const payload = Buffer.from('payload');
  for (const [id, more, aborted, flags] of [
    [7, false, false, 0],
    [undefined, true, false, 2],
    [lastId, true, true, 6],
  ] as const) {
    const frame = transfer({ ...(id !== undefined && { id }), payload, more, aborted });
    const read = blank();
    t.true(isTransfer(frame, 8, frame.length));
    readTransfer(frame, 8, frame.length, read);
    t.like(read, { handle: 0, id, flags });
    t.deepEqual(frame.subarray(read.payload), payload);
  }
});

test('a descriptor of eight bytes is one, too', (t) => {
  const short = transfer({ id: 3, payload: Buffer.from('x') });
  const long = Buffer.concat([
    short.subarray(0, 9),
    Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0x14]),
    short.subarray(11),
  ]);
  const read = blank();
  t.true(isTransfer(long, 8, long.length));
  readTransfer(long, 8, long.length, read);
  t.is(read.id, 3);
  t.deepEqual(long.subarray(read.payload), Buffer.from('x'));
});

test('no bytes of a frame make the reader throw anything but RangeError, or lead out of the frame', (t) => {
  const valid = transfer({ id: 5, payload: Buffer.from('payload') });
  const mutated = fc
    .array(fc.tuple(fc.integer({ min: 8, max: valid.length - 1 }), fc.nat(255)), { maxLength: 6 })
    .map((changes) => {
      const bytes = Buffer.from(valid);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  const bytes = fc.uint8Array({ minLength: 8, maxLength: 80 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(fc.oneof(mutated, bytes), (frame) => {
      const read = blank();
      try {
        if (isTransfer(frame, 8, frame.length)) readTransfer(frame, 8, frame.length, read);
      } catch (error) {
        return error instanceof RangeError;
      }
      return read.payload <= frame.length;
    }),
    { numRuns: 3000 },
  );
  t.pass();
});
