import { createServer, get, type IncomingMessage } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { Live } from '../../src/admin/live.ts';
import type { MetricsSubject } from '../../src/admin/metrics/subject.ts';
import { pointBetween, quantileOf, type Reading } from '../../src/admin/replica-state.ts';
import { Counters } from '../../src/core/gateway/counters.ts';
import { latencyBounds } from '../../src/core/histogram.ts';
import { JobFigures } from '../../src/core/job-figures.ts';
import { freePort } from '../support/ports.ts';
import { waitFor } from '../support/wait.ts';

const counters = new Map([['edge', new Counters()]]);
const subject: MetricsSubject = {
  replica: 'test',
  version: '0',
  counters,
  kinds: new Map([['edge', 'mqtt']]),
  connections: new Map([['edge', { connected: 1, failed: 0 }]]),
  heldBecause: undefined,
  heldSince: undefined,
  heldCause: undefined,
  putAsideBecause: undefined,
  wedgedBecause: undefined,
  isDatabaseAway: false,
  isStopping: false,
  oldestUnsettled: 0,
  durability: { required: 'nothing', survives: 'power', database: undefined, transports: {} },
  utilisation: { value: 0, parts: { batches: 0, calls: 0, mainThread: 0 } },
  workers: { threads: 1, slots: 1, callSlots: 1, messages: 0, calls: 0, queued: 0, deaths: 0 },
  jobs: { names: [], problem: undefined, lastSuccess: () => undefined },
  jobFigures: new JobFigures(['edge']),
  adoptions: new Map(),
  notifications: new Map(),
  clocks: () => ({ ahead: { count: 0, guests: [] }, muted: { count: 0, guests: [] } }),
  mask: (text) => text,
  states: () => ({
    edge: {
      state: 'consuming',
      lastError: undefined,
      lastErrorAt: undefined,
      stall: undefined,
      adopting: undefined,
    },
  }),
};

/** A source that counts the looks, and may never answer one. */
function sourceOf(answers: boolean) {
  const source = {
    looks: 0,
    seen: { present: undefined, fleet: undefined, problem: undefined, problemSince: undefined },
    look: () => {
      source.looks += 1;
      return answers ? Promise.resolve() : new Promise<void>(() => {});
    },
  };
  return source;
}

async function serve(t: ExecutionContext, source: ReturnType<typeof sourceOf>) {
  const live = new Live(subject, source, 20);
  const server = createServer((_, response) => live.add(response));
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.teardown(() => {
    live.stop();
    server.closeAllConnections();
    server.close();
  });
  const watch = async () => {
    const seen = { text: '' };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ host: '127.0.0.1', port }, resolve).on('error', reject);
    });
    answer.on('data', (chunk: Buffer) => {
      seen.text += chunk;
    });
    // The test ends it.
    answer.on('error', () => {});
    return { seen, leave: () => answer.destroy() };
  };
  return { live, watch };
}

test('it looks while a page watches, and no longer', async (t) => {
  const source = sourceOf(true);
  const { live, watch } = await serve(t, source);
  t.false(live.isLooking);
  const [one, other] = [await watch(), await watch()];
  await waitFor(() => source.looks > 2, { what: 'looks' });
  one.leave();
  const { looks } = source;
  await waitFor(() => source.looks > looks, { what: 'a look for the page that stays' });
  other.leave();
  await waitFor(() => !live.isLooking, { what: 'the end of the looks' });
  const ended = source.looks;
  await watch();
  await waitFor(() => source.looks > ended, { what: 'a look for a new page' });
});

test('a page that comes later gets the points of before, and the state of the replica at once', async (t) => {
  const { watch } = await serve(t, sourceOf(true));
  const first = await watch();
  await waitFor(() => first.seen.text.split('event: point\n').length > 3, { what: 'points' });
  const later = await watch();
  await waitFor(() => later.seen.text.includes('event: state'), { what: 'the state' });
  t.regex(later.seen.text, /event: points\ndata: \[\{"at":\d+,.*\}\]\n/);
  t.regex(later.seen.text, /"replica":"test"/);
});

test('a database that does not answer holds no event back', async (t) => {
  const { watch } = await serve(t, sourceOf(false));
  const { seen } = await watch();
  await waitFor(() => seen.text.includes('event: state'), { what: 'an event' });
  t.regex(seen.text, /"status":"ok"/);
});

const zero = latencyBounds.map(() => 0).concat(0);
const reading = (over: Partial<Reading>): Reading => ({
  at: 0,
  clock: 0,
  writes: 0,
  writesAt: 0,
  committed: 0,
  latency: zero,
  ...over,
});

test('a point has the rates between two readings', (t) => {
  const latency = zero.with(3, 100);
  const after = reading({ at: 9, clock: 2000, writes: 50, writesAt: 4000, committed: 10, latency });
  const point = pointBetween(reading({}), after);
  t.like(point, { at: 9, heartbeats: 12.5, committed: 5 });
  t.true(point.median !== null && point.median > 5 && point.median <= 10);
});

test('a point has no rate of the fleet if Postgres was not asked anew, or has lost its statistics', (t) => {
  for (const over of [
    { writesAt: 0, writes: 5 },
    { writesAt: 2000, writes: -1 },
    { writesAt: 2000, writes: undefined },
  ])
    t.is(pointBetween(reading({}), reading({ clock: 2000, ...over })).heartbeats, null);
});

test('a quantile lies in the bucket of its value, and grows with its share', (t) => {
  t.is(quantileOf(zero, 0.5), null);
  fc.assert(
    fc.property(fc.array(fc.nat(50), { minLength: zero.length, maxLength: zero.length }), (counts) => {
      const [half, most] = [quantileOf(counts, 0.5), quantileOf(counts, 0.99)];
      if (half === null || most === null) return counts.every((count) => count === 0);
      return half <= most && half >= 0 && most <= (latencyBounds.at(-1) ?? 0) * 1000;
    }),
  );
});
