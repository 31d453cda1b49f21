import test from 'ava';
import type { KeptSession } from '../../../src/core/transport/contract.ts';
import { lazySender, lazyTransport } from '../../../src/core/transport/lazily.ts';
import { MemoryTransport } from '../../../src/transports/memory/index.ts';

test('a transport is loaded at its first connection, and once', async (t) => {
  let loads = 0;
  const memory = new MemoryTransport('edge');
  const transport = lazyTransport('edge', async () => {
    loads += 1;
    return memory;
  });
  t.is(transport.name, 'edge');
  t.is(loads, 0);
  for (let connection = 1; connection <= 2; connection += 1) {
    const session = await transport.connect(() => true);
    await session.stop(AbortSignal.timeout(1000));
  }
  t.is(loads, 1);
  t.is(memory.attempts, 2);
});

test('a transport that could not be loaded is loaded at the next attempt', async (t) => {
  const memory = new MemoryTransport('edge');
  let isShort = true;
  const transport = lazyTransport('edge', async () => {
    if (isShort) throw new Error('EMFILE');
    return memory;
  });
  await t.throwsAsync(() => transport.connect(() => true), { message: 'EMFILE' });
  isShort = false;
  const session = await transport.connect(() => true);
  await session.stop(AbortSignal.timeout(1000));
  t.is(memory.attempts, 1);
});

test('a transport tells before it is loaded what the broker keeps for it', (t) => {
  const kept: KeptSession = { clientId: 'conductor-1', subscription: 'conductor/+' };
  const load = () => Promise.reject(new Error('it is not loaded'));
  t.is(lazyTransport('edge', load, kept).kept, kept);
  const other = lazyTransport('edge', load);
  t.is(other.kept, undefined);
  t.is(other.adopt, undefined);
});

test('a sender is loaded at its first connection', async (t) => {
  let loads = 0;
  const sender = lazySender(async () => {
    loads += 1;
    return { connect: () => Promise.reject(new Error('nobody listens')) };
  });
  t.is(loads, 0);
  for (let attempt = 1; attempt <= 2; attempt += 1)
    await t.throwsAsync(() => sender.connect(() => {}), { message: 'nobody listens' });
  t.is(loads, 1);
});
