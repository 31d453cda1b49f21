import test from 'ava';
import type { Deliver, Session, Share, Transport } from '../../src/core/transport/contract.ts';
import { untold } from '../../src/core/transport/durability.ts';
import { MemoryTransport } from '../../src/transports/memory/index.ts';
import { registerSdk, tracingHere } from './sdk.ts';

/** A transport with spans offers what the transport in it offers. */

registerSdk();
const tracing = tracingHere();

test('a transport without kept sessions has none with spans', async (t) => {
  const traced: Transport = tracing.transport(new MemoryTransport('memory'));
  t.is(traced.name, 'memory');
  t.is(traced.kept, undefined);
  t.is(traced.adopt, undefined);
  t.is(traced.inspect, undefined);
  const session: Session = await traced.connect(() => true);
  t.is(session.durability, untold);
  t.false(session.leavesNothing);
  t.true(session.givesBack);
  t.is(session.stall, undefined);
});

test('a session with spans tells the stall of the session in it', async (t) => {
  const stall = { since: 1, because: 'the consumer is full' };
  const memory = new MemoryTransport('memory');
  const inner: Transport = {
    name: 'memory',
    connect: async (deliver) => Object.assign(await memory.connect(deliver), { stall }),
  };
  const session: Session = await tracing.transport(inner).connect(() => true);
  t.is(session.stall, stall);
});

test('a kept session is adopted through the inner transport, and its deliveries are settled there', async (t) => {
  const memory = new MemoryTransport('memory');
  const kept = { clientId: 'a', subscription: 'b' };
  const share = { messages: 1, bytes: 2 };
  const adopted: [typeof kept, Share][] = [];
  const inner: Transport = {
    name: 'memory',
    kept,
    connect: (deliver) => memory.connect(deliver),
    inspect: async () => ({ missing: ['a queue'], durability: undefined }),
    adopt: async (of, deliver: Deliver, bound) => {
      adopted.push([{ ...of }, bound]);
      return memory.connect(deliver);
    },
  };
  const traced = tracing.transport(inner);
  t.is(traced.kept, kept);
  t.deepEqual(await traced.inspect?.(), { missing: ['a queue'], durability: undefined });
  const session = await traced.adopt?.(
    kept,
    (delivery) => {
      t.is(delivery.session, session ?? delivery.session);
      delivery.session.settle([delivery], 'done');
      return true;
    },
    share,
  );
  memory.publish(Buffer.from('x'));
  t.deepEqual(adopted, [[kept, share]]);
  t.deepEqual(
    memory.settled.map(({ settlement }) => settlement),
    ['done'],
  );
});
