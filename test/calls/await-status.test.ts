import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { runCall } from '../../src/workers/calls/run.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances, native } from '../support/worker.ts';
import { answerOf, type Caller, openCaller } from './support.ts';

/** `await_status` as a worker executes it. */

const test = needs(ava, 'postgres');

function run({ context }: Caller, args: object, resumption?: { since: string; end?: 'over' | 'busy' }) {
  const raw = native('await_status', args, {
    messageId: randomUUID(),
    sender: 'api',
    senderProof: 'subject',
    isCall: true,
  });
  return runCall({ state: context, raw, transport: 'proven', timeout: 5000, resumption });
}

test('a status that the instance has is answered at once', async (t) => {
  const caller = await openCaller(t);
  await insertInstances(caller.database, 'i1');
  await apply(caller.context, [heartbeat('i1', 1, 'running')], 'open');
  for (const status of ['running', ['building', 'running']])
    t.deepEqual(answerOf(await run(caller, { instance_id: 'i1', status })), {
      result: { instance_id: 'i1', status: 'running', now: 'running' },
    });
});

test('otherwise the call waits, and a status that was there only for a moment counts', async (t) => {
  const caller = await openCaller(t);
  await insertInstances(caller.database, 'i1');
  await apply(caller.context, [heartbeat('i1', 1, 'running')], 'open');
  await apply(caller.context, [heartbeat('i1', 2, 'building')], 'open');
  const args = { instance_id: 'i1', status: ['running'], timeout: 5 };
  const { waitsFor, outcome } = await run(caller, args);
  t.is(outcome, undefined);
  t.like(waitsFor, { instanceId: 'i1', statuses: ['running'], timeout: 5000 });
  const since = waitsFor?.since ?? '';
  // The status before the call does not count.
  t.deepEqual((await run(caller, args, { since })).waitsFor, waitsFor);
  await apply(caller.context, [heartbeat('i1', 3, 'running')], 'open');
  await apply(caller.context, [heartbeat('i1', 4, 'crashed')], 'open');
  t.deepEqual(answerOf(await run(caller, args, { since })), {
    result: { instance_id: 'i1', status: 'running', now: 'crashed' },
  });
});

for (const [end, expected] of [
  ['over', 'Timeout: the instance has the status "building" after 2 s, not "running" or "healthy"'],
  ['busy', 'Busy: this conductor holds as many calls'],
] as const) {
  test(`a wait that ends as ${end} is refused by name`, async (t) => {
    const caller = await openCaller(t);
    await insertInstances(caller.database, 'i1');
    await apply(caller.context, [heartbeat('i1', 1, 'building')], 'open');
    const args = { instance_id: 'i1', status: ['running', 'healthy'], timeout: 2 };
    const { error } = answerOf(await run(caller, args, { since: '99', end }));
    t.true(`${error?.class}: ${error?.message}`.startsWith(expected), error?.message);
  });
}

for (const [args, expected] of [
  [{ status: 'running' }, 'instance_id'],
  [{ instance_id: 'i1' }, 'status'],
  [
    { instance_id: 'i1', status: 'ACTIVE' },
    'args.status is "ACTIVE", not a status: docs/protocol.md lists them',
  ],
  [{ instance_id: 'i1', status: [] }, 'args.status is empty'],
  [{ instance_id: 'i1', status: [7] }, 'args.status is a number'],
  [{ instance_id: 'i1', status: 'running', timeout: 601 }, 'args.timeout is 601'],
  [{ instance_id: 'i1', status: 'running', timeout: '5' }, 'args.timeout is a string'],
] as const) {
  test(`${JSON.stringify(args)} is refused with the argument's name`, async (t) => {
    const caller = await openCaller(t);
    t.true((await caller.refusal('await_status', args)).includes(expected));
  });
}

test('a sender without a grant is refused', async (t) => {
  const caller = await openCaller(t);
  const refusal = await caller.refusal(
    'await_status',
    { instance_id: 'i1', status: 'running' },
    { sender: 'reader' },
  );
  t.regex(refusal, /^Forbidden/);
});
