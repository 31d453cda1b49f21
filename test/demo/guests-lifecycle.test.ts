import test from 'ava';
import { isObject } from '../../src/core/json.ts';
import { native } from '../../src/core/message/codecs/native.ts';
import { wholeBody } from '../../src/core/span.ts';
import { heartbeatOf, mishap, nextPhase, type Phase, phases } from '../../src/embedded/guests-lifecycle.ts';
import { heartbeat } from '../../src/workers/methods/heartbeat/index.ts';

/** Evenly from 0 to 1, 1 excluded. */
const draws = Array.from({ length: 1000 }, (_, index) => index / 1000);

test('a new guest is built and then runs', (t) => {
  t.is(nextPhase('new', 0), 'building');
  t.is(nextPhase('building', 0), 'running');
  t.is(nextPhase('running', 0), 'healthy');
});

for (const phase of phases) {
  test(`a guest that is ${phase} may stay so, and is running at some time later`, (t) => {
    t.is(nextPhase(phase, 0.999), phase);
    t.true(reachableFrom(phase).has('running'));
  });
}

test('a guest can reach every phase', (t) => {
  t.deepEqual([...reachableFrom('running')].sort(), [...phases].sort());
});

test('most guests are running at any time, and some are not', (t) => {
  const counts = new Map<Phase, number>();
  // A generator of its own (Lehmer's), so that every run of the test sees the same lives.
  let seed = 1;
  let phase: Phase = 'new';
  for (let step = 0; step < 100_000; step += 1) {
    seed = (seed * 48_271) % 2_147_483_647;
    phase = nextPhase(phase, seed / 2_147_483_647);
    counts.set(phase, (counts.get(phase) ?? 0) + 1);
  }
  const share = (...of: Phase[]) => of.reduce((sum, one) => sum + (counts.get(one) ?? 0), 0) / 100_000;
  t.true(share('running', 'healthy') > 0.6);
  t.true(share('crashed', 'silent', 'failed to spawn') > 0.05);
});

test("a guest's report is a heartbeat that the conductor can decode", (t) => {
  for (const phase of phases) {
    if (phase === 'silent') continue;
    const body = Buffer.from(heartbeatOf('guest-1', phase, 12.5));
    const envelope = native.decode(wholeBody(body), { messageId: undefined, isCall: false }, false);
    const { method, args } = envelope;
    t.is(method, 'heartbeat');
    if (!isObject(args)) return t.fail();
    const { instanceId, guard, status } = heartbeat.parse(args, envelope);
    t.deepEqual(
      { instanceId, guard, word: status?.description },
      { instanceId: 'guest-1', guard: 12.5, word: phase },
    );
  }
});

test('few heartbeats come twice, and fewer come late', (t) => {
  const share = (what: string) => draws.filter((random) => mishap(random) === what).length / draws.length;
  t.true(share('none') > 0.9);
  t.true(share('repeated') > share('late'));
  t.true(share('late') > 0);
});

function reachableFrom(phase: Phase): Set<Phase> {
  const reached = new Set<Phase>([phase]);
  // A set that grows while it is walked through is walked through to its end.
  for (const from of reached) for (const random of draws) reached.add(nextPhase(from, random));
  return reached;
}
