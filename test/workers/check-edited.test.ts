import test from 'ava';
import fc from 'fast-check';
import { CALL } from '../../src/core/message/outcome.ts';
import { wholeBody } from '../../src/core/span.ts';
import { isTask } from '../../src/workers/batch/item.ts';
import { decode } from '../../src/workers/batch/read.ts';
import { checkEdited, type EditedLetter } from '../../src/workers/check-edited.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import { workerSettings } from '../support/worker.ts';

const manager = createManager();
const base = workerSettings('postgresql://nowhere');
const settings = {
  ...base,
  transports: {
    plain: { codec: 'native', auth: 'subject' },
    trove: { codec: 'oslo', auth: 'none' },
    events: { codec: 'cloudevents', auth: 'none' },
    signed: { codec: 'native', auth: 'hmac' },
  },
} as const;

const letter: EditedLetter = {
  transport: 'plain',
  topic: null,
  wasDeferred: false,
  messageId: null,
  sender: 'i1',
  senderProof: 'subject',
};

const check = (body: unknown, more: Partial<EditedLetter> = {}) =>
  checkEdited(Buffer.from(JSON.stringify(body)), { ...letter, ...more }, manager, settings);

/** What a redrive makes of the body. */
function isTaken(body: unknown, { transport, sender }: EditedLetter): boolean {
  const raw = {
    ...wholeBody(Buffer.from(JSON.stringify(body))),
    ...{ oversize: undefined, messageId: undefined, isCall: false },
    ...{ sender: sender ?? undefined, senderProof: 'subject' as const },
  };
  const item = decode(raw, 0, transport, manager, settings);
  return item !== CALL && isTask(item.task);
}

/** Mostly one that is right. */
const mostly = (right: unknown) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: fc.jsonValue() });
const args = fc.record(
  {
    instance_id: mostly('i1'),
    sent: mostly(1),
    payload: mostly({ service_status: 'running' }),
    backup_id: mostly('b1'),
    size: mostly(7),
    user: mostly('root'),
  },
  { requiredKeys: ['instance_id', 'sent', 'payload', 'backup_id'] },
);
const body = fc.record(
  {
    method: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('heartbeat', 'update_backup', 'report_root') },
      { weight: 1, arbitrary: fc.oneof(fc.constant('ping'), fc.jsonValue()) },
    ),
    args: fc.oneof({ weight: 6, arbitrary: args }, { weight: 1, arbitrary: fc.jsonValue() }),
    version: mostly('1.0'),
    context: mostly({}),
    reply_to: fc.constantFrom('here', ''),
  },
  { requiredKeys: ['method', 'args'] },
);

test('a body has no fault exactly if a redrive would take it', (t) => {
  let taken = 0;
  fc.assert(
    fc.property(body, fc.constantFrom('plain', 'trove'), (one, transport) => {
      const of = { ...letter, transport };
      const found = check(one, of);
      const isGood = isTaken(one, of);
      if (isGood) taken += 1;
      return 'faults' in found && (found.faults.length === 0) === isGood;
    }),
    { numRuns: 2000 },
  );
  t.true(taken > 20, `${taken}`);
});

test('a message that was deferred needs no time and no right, and is read in its own form over every transport', (t) => {
  const args = { instance_id: 'i9', payload: {} };
  for (const transport of ['plain', 'trove', 'events', 'signed'])
    t.deepEqual(check({ method: 'heartbeat', args }, { transport, wasDeferred: true }), { faults: [] });
  t.deepEqual(
    check({ method: 'heartbeat', args: { ...args, sent: 'x', payload: 1 } }, { wasDeferred: true }),
    {
      faults: ['args.sent is a string, not a number', 'args.payload is a number, not an object'],
    },
  );
});

test('a body that has to prove its sender is not checked, and one whose sender was proven is', (t) => {
  const wrong = { method: 'nothing', args: {} };
  t.deepEqual(check(wrong, { transport: 'signed', senderProof: null }), {
    uncheckedBecause: 'its sender was never proven (auth.mode hmac), so the body has to prove it',
  });
  t.deepEqual(check(wrong, { transport: 'signed', senderProof: 'hmac' }), {
    faults: ['"nothing" is not a method of this conductor'],
  });
});
