import test from 'ava';
import { CALL, HELD } from '../../src/core/message/outcome.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { MemoryTransport } from '../../src/transports/memory/index.ts';
import { registerSdk, tracingHere } from './sdk.ts';

/** The spans of batches, without a broker. */

const exporter = registerSdk();
const tracing = tracingHere();
test.beforeEach(() => exporter.reset());

const hex = (number: number, length: number) => number.toString(16).padStart(length, '0');
const traceOf = (number: number, flags = '01') => ({
  traceparent: `00-${hex(number, 32)}-${hex(number, 16)}-${flags}`,
});
const spans = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);
const counts = (name: string) => spans(name).length;

/** A transport that delivers one message for each context. */
async function deliver(contexts: ReadonlyArray<{ readonly traceparent: string } | undefined>, takes = true) {
  const memory = new MemoryTransport('memory');
  const deliveries: Delivery[] = [];
  const session = await tracing.transport(memory).connect((delivery) => {
    if (takes) deliveries.push(delivery);
    return takes;
  });
  for (const trace of contexts) memory.publish(Buffer.from('x'), { trace });
  return { memory, session, deliveries };
}

test.serial('a batch links 128 of its messages at most, and only those whose senders record', async (t) => {
  const contexts = Array.from({ length: 300 }, (_, index) =>
    traceOf(index + 1, index % 2 === 0 ? '00' : '01'),
  );
  const { deliveries } = await deliver([undefined, ...contexts]);
  const codes = new Uint8Array(deliveries.length);
  await tracing.batch('memory', deliveries, async () => ({ codes, dead: [] }));
  const [process] = spans('process');
  t.is(process?.links.length, 128);
  t.is(process?.links[0]?.context.traceId, hex(2, 32));
  t.is(process?.attributes['conductor.batch.size'], 301);
  // The spans of senders that do not record are not recorded here either.
  t.is(counts('receive'), 150);
});

test.serial('a held message is received once and processed twice, and its batch says why', async (t) => {
  const { memory, session, deliveries } = await deliver([traceOf(1)]);
  const held = { codes: Uint8Array.of(HELD), dead: [], heldBecause: 'Postgres is away' };
  await tracing.batch('memory', deliveries, async () => held);
  t.is(counts('receive'), 1);
  const [first] = spans('process');
  t.deepEqual(first?.status, { code: 2, message: 'Postgres is away' });
  t.is(first?.attributes['conductor.outcome.held'], 1);
  await tracing.batch('memory', deliveries, async () => ({ codes: Uint8Array.of(0), dead: [] }));
  t.is(counts('receive'), 1);
  const [, second] = spans('process');
  session.settle(deliveries, 'done');
  const [settle] = spans('settle');
  t.is(settle?.parentSpanContext?.spanId, second?.spanContext().spanId);
  t.is(memory.settled.length, 1);
});

test.serial('a run that rejects ends its span, and the error goes on', async (t) => {
  const { deliveries } = await deliver([traceOf(1)]);
  const failing = () => Promise.reject(new Error('a worker died'));
  await t.throwsAsync(tracing.batch('memory', deliveries, failing), { message: 'a worker died' });
  const [call] = deliveries;
  if (call === undefined) throw new Error('nothing was delivered');
  await t.throwsAsync(tracing.call('memory', call, failing), { message: 'a worker died' });
  t.deepEqual(
    spans('process').map(({ status }) => status.message),
    ['a worker died', 'a worker died'],
  );
});

test.serial('a delivery that is refused has no span until it is taken', async (t) => {
  const { memory } = await deliver([traceOf(1)], false);
  t.is(memory.queue.length, 1);
  t.is(exporter.getFinishedSpans().length, 0);
});

test.serial(
  'a call is a child of its caller, and its answer has its context; a refused call has none',
  async (t) => {
    const { deliveries } = await deliver([traceOf(1), undefined]);
    const [call, other] = deliveries;
    if (call === undefined || other === undefined) throw new Error('too few deliveries');
    await tracing.batch('memory', deliveries, async () => ({ codes: Uint8Array.of(CALL, CALL), dead: [] }));
    t.is(spans('process')[0]?.attributes['conductor.outcome.call'], 2);
    t.is(tracing.traceOf(call), undefined);
    const transactions = [{ begunAt: 1, endedAt: 2, hasCommitted: false }];
    await tracing.call('memory', call, async () => ({ outcome: 'refused', method: 'ping', transactions }));
    const [, process] = spans('process');
    t.is(process?.parentSpanContext?.spanId, hex(1, 16));
    t.like(process?.attributes, { 'conductor.outcome': 'refused', 'conductor.method': 'ping' });
    t.is(spans('transaction')[0]?.parentSpanContext?.spanId, process?.spanContext().spanId);
    t.is(tracing.traceOf(call)?.traceparent, `00-${hex(1, 32)}-${process?.spanContext().spanId}-01`);
    await tracing.call('memory', other, async () => ({ outcome: 'answered' }));
    t.is(spans('process')[2]?.parentSpanContext, undefined);
  },
);

test.serial('a call that runs without a batch before it ends its receive', async (t) => {
  const { deliveries } = await deliver([traceOf(1)]);
  const [call] = deliveries;
  if (call === undefined) throw new Error('nothing was delivered');
  await tracing.call('memory', call, async () => ({ outcome: 'answered' }));
  const [receive] = spans('receive');
  t.is(receive?.links[0]?.context.spanId, spans('process')[0]?.spanContext().spanId);
});
