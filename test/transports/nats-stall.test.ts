import { AckPolicy } from '@nats-io/jetstream';
import ava from 'ava';
import { pino } from 'pino';
import { StallWatch } from '../../src/transports/nats/session-stall.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { arrive, holdMessages, open } from './nats-support.ts';

const test = needs(ava, 'nats');

test('a consumer that delivers nothing, since too much is unsettled elsewhere, is told once', async (t) => {
  const { id, broker, manager, consume, publish, warnings } = await open(t, { ackWait: 1000 });
  await manager.streams.add({ name: id, subjects: [`test.${id}.*`], retention: 'workqueue' });
  await manager.consumers.add(id, {
    durable_name: 'conductor',
    ack_policy: AckPolicy.Explicit,
    ack_wait: 1e9,
    max_ack_pending: 2,
  });
  await publish('one', 'two', 'three');
  const settle = await holdMessages(broker, id, 2);
  const { session, deliveries } = await consume();
  const told = () => warnings.filter((line) => line.includes('consumer-stalled'));
  await waitFor(() => told().length > 0, { what: 'the log to tell of the stall' });
  t.like(JSON.parse(told()[0] ?? ''), { waiting: 1, unsettled: 2, maxAckPending: 2 });
  t.is(deliveries.length, 0);
  t.regex(session.stall?.because ?? '', /max_ack_pending/);
  t.true(performance.now() - (session.stall?.since ?? performance.now()) >= 5000);
  settle();
  await arrive(deliveries, 1);
  session.settle(deliveries, 'done');
  t.is(told().length, 1);
  await waitFor(() => session.stall === undefined, { what: 'the end of the stall' });
});

const full = { num_pending: 9, num_ack_pending: 2, config: { max_ack_pending: 2 } };
const silent = pino({ level: 'silent' });
const quiet = { hasReceived: false, isPulling: true };

ava('a stall lasts from the last message until other replicas have received all that waits', async (t) => {
  const answers = [full, full, { ...full, num_pending: 0 }];
  const ask = async () => answers.shift() ?? full;
  const begun = performance.now();
  const watch = new StallWatch({ after: 0, ask, logger: silent });
  watch.tick(quiet);
  await new Promise(setImmediate);
  const first = watch.present;
  t.true(first !== undefined && first.since >= begun && first.since <= performance.now());
  watch.tick(quiet);
  await new Promise(setImmediate);
  t.is(watch.present?.since, first?.since);
  watch.tick(quiet);
  await new Promise(setImmediate);
  t.is(watch.present, undefined);
});

ava('an answer that comes after a message tells no stall', async (t) => {
  const answer = Promise.withResolvers<typeof full>();
  const watch = new StallWatch({ after: 0, ask: () => answer.promise, logger: silent });
  watch.tick(quiet);
  watch.tick({ hasReceived: true, isPulling: true });
  answer.resolve(full);
  await new Promise(setImmediate);
  t.is(watch.present, undefined);
});

for (const [what, state] of [
  ['has nothing to deliver', { num_pending: 0, num_ack_pending: 2, config: { max_ack_pending: 2 } }],
  ['may deliver more', { num_pending: 9, num_ack_pending: 1, config: { max_ack_pending: 2 } }],
  ['has no limit', { num_pending: 9, num_ack_pending: 9, config: { max_ack_pending: -1 } }],
] as const)
  ava(`a consumer that ${what} is not told`, async (t) => {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
    const asked = Promise.withResolvers<void>();
    const ask = async () => {
      asked.resolve();
      return state;
    };
    new StallWatch({ after: 0, ask, logger }).tick({ hasReceived: false, isPulling: true });
    await asked.promise;
    await new Promise(setImmediate);
    t.deepEqual(lines, []);
  });
