import test from 'ava';
import fc from 'fast-check';
import { type Buffered, OutboundBuffer } from '../../src/client/buffer.ts';
import { BufferFull } from '../../src/client/errors.ts';

interface Message extends Buffered {
  readonly name: string;
}

const other = (name: string): Message => ({ name });
const status = (instance: string, sent: number): Message => ({
  name: `${instance} status ${sent}`,
  heartbeat: { instance, hasStatus: true, sent },
});
const touch = (instance: string, sent: number): Message => ({
  name: `${instance} touch ${sent}`,
  heartbeat: { instance, hasStatus: false, sent },
});

function drain(buffer: OutboundBuffer<Message>): string[] {
  return buffer.clear().map(({ name }) => name);
}

test('the buffer keeps messages in order, with only the newest heartbeat of each instance', (t) => {
  const buffer = new OutboundBuffer<Message>(10);
  const messages = [status('a', 1), other('x'), status('b', 1), other('y'), status('a', 2), other('z')];
  const dropped = messages.flatMap((message) => buffer.add(message));
  t.deepEqual(dropped, messages.slice(0, 1));
  t.deepEqual(drain(buffer), ['x', 'b status 1', 'y', 'a status 2', 'z']);
});

test('a heartbeat without a status never replaces one with a status', (t) => {
  const buffer = new OutboundBuffer<Message>(10);
  for (const message of [status('a', 1), touch('a', 2), touch('a', 3)]) buffer.add(message);
  t.deepEqual(drain(buffer), ['a status 1', 'a touch 3']);
  for (const message of [touch('a', 1), status('a', 2)]) buffer.add(message);
  t.deepEqual(drain(buffer), ['a status 2']);
});

test('a message that comes back from a broken connection regains its place, unless a newer heartbeat waits', (t) => {
  const buffer = new OutboundBuffer<Message>(10);
  const [beat, x, y, newer] = [status('a', 1), other('x'), other('y'), status('a', 2)];
  for (const message of [beat, x, y]) buffer.add(message);
  t.deepEqual([buffer.take(), buffer.take()], [beat, x]);
  buffer.add(newer);
  // In whatever order the transport says so.
  t.deepEqual(buffer.giveBack(x), []);
  t.deepEqual(buffer.giveBack(beat), [beat]);
  t.deepEqual(drain(buffer), ['x', 'y', 'a status 2']);
});

test('the newer of two heartbeats that come back is kept', (t) => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const buffer = new OutboundBuffer<Message>(10);
    const beats = [status('a', 1), status('a', 2)];
    for (const beat of beats) {
      buffer.add(beat);
      buffer.take();
    }
    const dropped = order.flatMap((index) => buffer.giveBack(beats[index] ?? other('none')));
    t.deepEqual(dropped, beats.slice(0, 1));
    t.deepEqual(drain(buffer), ['a status 2']);
  }
});

test('a full buffer refuses new messages, but a newer heartbeat replaces an older one', (t) => {
  const buffer = new OutboundBuffer<Message>(3);
  const [old, newer] = [status('a', 1), status('a', 2)];
  for (const message of [other('x'), other('y'), old]) buffer.add(message);
  t.throws(() => buffer.add(other('z')), { instanceOf: BufferFull, message: /^3 messages wait/ });
  t.deepEqual(buffer.add(newer), [old]);
  // What is under way takes its room until it is through.
  const x = buffer.take() ?? other('none');
  t.throws(() => buffer.add(other('z')), { instanceOf: BufferFull });
  buffer.done(x);
  buffer.add(other('z'));
  t.deepEqual(drain(buffer), ['y', 'a status 2', 'z']);
});

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .record({ instance: fc.constantFrom('a', 'b', 'c', ''), hasStatus: fc.boolean() })
        .map(({ instance, hasStatus }) => ({ kind: 'add' as const, instance, hasStatus })),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'take' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'done' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'back' as const }) },
  ),
  { maxLength: 60 },
);

/** As a client that stamps strictly increasing does it. */
function messageOf(instance: string, hasStatus: boolean, sent: number): Message {
  if (instance === '') return other(`message ${sent}`);
  return hasStatus ? status(instance, sent) : touch(instance, sent);
}

test('adding, sending and giving back lose only older heartbeats, and keep the order', (t) => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 12 }), (sequence, capacity) => {
      const buffer = new OutboundBuffer<Message>(capacity);
      const accepted: Message[] = [];
      const gone = new Set<Message>();
      const superseded: Message[] = [];
      const underWay: Message[] = [];
      const drop = (messages: Message[]) => {
        superseded.push(...messages);
        for (const message of messages) gone.add(message);
      };
      for (const [sent, step] of sequence.entries()) {
        if (step.kind === 'add') {
          const message = messageOf(step.instance, step.hasStatus, sent);
          try {
            drop(buffer.add(message));
            accepted.push(message);
          } catch (error) {
            t.true(error instanceof BufferFull);
            t.is(buffer.size, capacity);
          }
        } else if (step.kind === 'take') {
          const message = buffer.take();
          if (message !== undefined) underWay.push(message);
        } else {
          // The newest first: the order of what comes back is the transport's.
          const message = underWay.pop();
          if (message === undefined) continue;
          if (step.kind === 'back') drop(buffer.giveBack(message));
          else {
            buffer.done(message);
            gone.add(message);
          }
        }
        t.true(buffer.size <= capacity);
        t.is(buffer.size, accepted.filter((message) => !gone.has(message)).length);
      }
      // Each that was dropped has a newer one of its instance that says at least as much.
      for (const { heartbeat: old } of superseded) {
        t.true(
          accepted.some(
            ({ heartbeat }) =>
              heartbeat !== undefined &&
              heartbeat.instance === old?.instance &&
              heartbeat.sent > old.sent &&
              (heartbeat.hasStatus || !old.hasStatus),
          ),
        );
      }
      const waiting = accepted.filter((message) => !gone.has(message) && !underWay.includes(message));
      t.deepEqual(buffer.clear(), waiting);
      // At most one heartbeat of each kind and instance waits.
      const keys = waiting.flatMap(({ heartbeat }) =>
        heartbeat === undefined ? [] : [`${heartbeat.instance} ${heartbeat.hasStatus}`],
      );
      t.is(new Set(keys).size, keys.length);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
