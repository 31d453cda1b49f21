import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import rhea, { type Session } from 'rhea';
import { Deliveries } from '../../src/transports/amqp10/read.ts';
import { isTransfer, readTransfer, type Transfer } from '../../src/transports/amqp10/read-frame.ts';
import { countersOf, guardWriting, tapFrames } from '../../src/transports/amqp10/read-library.ts';
import { accepted, dispositions, released } from '../../src/transports/amqp10/session-settle.ts';
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

test('the client library is the version that our code is written for', (t) => {
  const url = new URL('../../node_modules/rhea/package.json', import.meta.url);
  const { version }: { version: string } = JSON.parse(readFileSync(url, 'utf8'));
  t.regex(
    version,
    /^3\.0\./,
    `rhea is ${version}: compare its session.js, link.js, connection.js and transport.js with what read-library.ts says of them`,
  );
});

function countersIn(session: Session): object {
  const incoming: unknown = Reflect.get(session, 'incoming');
  if (typeof incoming !== 'object' || incoming === null) throw new TypeError('rhea has no incoming');
  return incoming;
}

test('an error names a client library with other internals', (t) => {
  const connect = () => rhea.create_container().create_connection({ port: 0, reconnect: false });
  const without = (name: string) => {
    const connection = connect();
    Reflect.set(connection, name, undefined);
    return connection;
  };
  const inAnotherForm = (what: string) => ({ message: new RegExp(`^rhea has ${what} in another form: `) });
  t.throws(
    () => guardWriting(without('_process'), { gone: () => false, failed: () => {} }),
    inAnotherForm('the method _process'),
  );
  for (const [name, what] of [
    ['amqp_transport', 'amqp_transport'],
    ['on_transfer', 'the method on_transfer'],
  ] as const)
    t.throws(() => tapFrames(without(name), () => 0), inAnotherForm(what));
  const receiver = connect().create_session().open_receiver('x');
  t.notThrows(() => countersOf(receiver));
  Reflect.set(receiver, 'credit', undefined);
  t.throws(() => countersOf(receiver), inAnotherForm('the counters of a link'));
  Reflect.set(countersIn(receiver.session), 'next_transfer_id', undefined);
  t.throws(() => countersOf(receiver), inAnotherForm('the counters of a session'));
});

test('one frame settles consecutive deliveries, and a range ends at the last number', (t) => {
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

test('the ranges hold each delivery once, in any order of settling', (t) => {
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

test('the reader takes number, flags and payload from a transfer frame', (t) => {
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

test('a descriptor of eight bytes is accepted', (t) => {
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

test('for any bytes of a frame the reader throws only RangeError, and stays inside the frame', (t) => {
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

/** A reader in front of a client library that is attached to its only link, and what it hands on. */
function attached(limit?: number) {
  const connection = rhea.create_container().create_connection({ port: 0, reconnect: false });
  const transport: unknown = Reflect.get(connection, 'amqp_transport');
  if (typeof transport !== 'object' || transport === null) throw new TypeError('rhea has no transport');
  const others: Buffer[] = [];
  Reflect.set(transport, 'header_received', {});
  Reflect.set(transport, 'read', (bytes: Buffer) => others.push(bytes));
  const deliveries = new Deliveries(connection, () => true, limit);
  const receiver = connection.create_session().open_receiver('x');
  const taken: Array<readonly [text: string, id: number | undefined]> = [];
  deliveries.receive(receiver, {
    take: (bytes, start, end, id) => taken.push([bytes.toString('utf8', start, end), id]),
    aborted: () => {},
  });
  Reflect.set(receiver, 'remote', { attach: { handle: 0, initial_delivery_count: lastId } });
  Reflect.set(receiver.session, 'remote', { channel: 0 });
  receiver.emit('receiver_open');
  const read: unknown = Reflect.get(transport, 'read');
  if (typeof read !== 'function') throw new TypeError('nothing reads');
  const counts = () => [Reflect.get(receiver, 'delivery_count'), Reflect.get(receiver, 'credit')];
  receiver.add_credit(3);
  return { read: (bytes: Buffer): unknown => read(bytes), taken, others, counts };
}

test("deliveries are counted from the broker's first number, and credit is never negative", (t) => {
  const { read, counts } = attached();
  t.deepEqual(counts(), [lastId, 3]);
  for (let id = 0; id < 5; id += 1) read(transfer({ id }));
  t.deepEqual(counts(), [4, 0]);
});

test('of a message in parts at most the limit is kept, and the next message is whole', (t) => {
  const { read, taken } = attached(10);
  const part = Buffer.from('123456');
  for (let index = 0; index < 100; index += 1)
    read(transfer({ ...(index === 0 && { id: 4 }), payload: part, more: index < 99 }));
  read(transfer({ id: 5, payload: part, more: true }));
  read(transfer({ payload: Buffer.from('78') }));
  t.deepEqual(taken, [
    ['1234561234', 4],
    ['12345678', 5],
  ]);
});

test('frames that are not transfers go to the library unchanged, and half a frame waits', (t) => {
  const { read, taken, others } = attached();
  const empty = Buffer.from([0, 0, 0, 8, 2, 0, 0, 0]);
  const flow = Buffer.from([0, 0, 0, 12, 2, 0, 0, 0, 0, 0x53, 0x13, 0x45]);
  const first = transfer({ id: 0, payload: Buffer.from('a') });
  const second = transfer({ id: 1, payload: Buffer.from('b') });
  const bytes = Buffer.concat([first, empty, flow, second]);
  t.is(read(bytes.subarray(0, -1)), bytes.length - second.length);
  t.deepEqual(others, [empty, flow]);
  t.is(read(second), second.length);
  t.deepEqual(taken, [
    ['a', 0],
    ['b', 1],
  ]);
});

test("the reader's error says how the broker broke the protocol", (t) => {
  const first = transfer({ id: 0 });
  for (const [bytes, message] of [
    [Buffer.from([0, 0, 0, 7, 2, 0, 0, 0]), /a frame of 7 bytes/],
    [Buffer.from([0, 0, 0, 8, 1, 0, 0, 0]), /begins outside/],
    [Buffer.from([0, 0, 0, 8, 3, 0, 0, 0]), /begins outside/],
    [transfer({}), /without a number/],
    [Buffer.concat([first, transfer({ id: 2 })]), /out of sequence: expected 1, got 2/],
    [Buffer.concat([transfer({ id: 0, more: true }), transfer({ id: 1 })]), /0 is not complete, got 1/],
  ] as const)
    t.throws(() => attached().read(bytes), { message });
  const elsewhere = transfer({ id: 0 });
  elsewhere[7] = 1;
  t.throws(() => attached().read(elsewhere), { message: /link 0 of channel 1, which is not open/ });
});
