import test from 'ava';
import fc from 'fast-check';
import {
  busyInstances,
  instanceOf,
  isCheckpoint,
  kindOf,
  messageOf,
  noticeInstances,
  readInstance,
  readPoison,
  sentOf,
  statusOf,
} from '../faults/harness/messages.ts';
import { isHarness, parseOptions } from '../faults/harness/options.ts';
import { Oracle } from '../faults/harness/oracle.ts';
import { randomOf } from '../faults/harness/random.ts';
import { tableOf } from '../faults/harness/report.ts';
import { planOf } from '../faults/harness/schedule.ts';

const faults = ['a', 'b', 'c'].map((name) => ({ name, lasts: [10, 20] as const }));

function firstSteps(seed: string, count: number) {
  const { replicas, steps } = planOf(seed, faults);
  const iterator = steps[Symbol.iterator]();
  return { replicas, steps: Array.from({ length: count }, () => iterator.next().value) };
}

test('a seed has one plan, and another seed has another one', (t) => {
  t.deepEqual(firstSteps('7', 30), firstSteps('7', 30));
  t.notDeepEqual(firstSteps('7', 30), firstSteps('8', 30));
});

test('a plan has 1 to 4 replicas, each fault once in each turn, and each length within its bounds', (t) => {
  fc.assert(
    fc.property(fc.string(), (seed) => {
      const { replicas, steps } = firstSteps(seed, 9);
      t.true(replicas >= 1 && replicas <= 4);
      for (let turn = 0; turn < 9; turn += 3)
        t.is(
          steps
            .slice(turn, turn + 3)
            .map((step) => step?.fault)
            .sort()
            .join(''),
          'abc',
        );
      t.true(steps.every((step) => step && step.lasts >= 10 && step.lasts <= 20));
    }),
    { numRuns: 50 },
  );
});

test('a turn begins with the faults that come first', (t) => {
  const first = { name: 'd', lasts: [10, 20] as const, comesFirst: true };
  for (const seed of ['1', '2', '3', '4', '5']) {
    const [one, , , , five] = planOf(seed, [...faults, first]).steps;
    t.deepEqual([one?.fault, five?.fault], ['d', 'd']);
  }
});

test('random numbers fill their range evenly', (t) => {
  const random = randomOf('even');
  const counts = new Array<number>(10).fill(0);
  for (let n = 0; n < 10_000; n += 1) {
    const drawn = random.between(0, 9);
    counts[drawn] = (counts[drawn] ?? 0) + 1;
  }
  t.true(
    counts.every((count) => count > 850 && count < 1150),
    String(counts),
  );
});

test('a message can be told from its instance, or its poison from its body, in each wire form', (t) => {
  for (let n = 0; n < 10_000; n += 1) {
    const read = readInstance(instanceOf(n));
    t.is(read?.kind, kindOf(n));
    const shared = { busy: busyInstances, notice: noticeInstances }[String(read?.kind)];
    t.is(read?.number, shared === undefined ? n : n % shared);
    if (isCheckpoint(n)) t.is(kindOf(n), 'once');
    if (kindOf(n) !== 'poison') continue;
    for (const form of ['native', 'oslo', 'sealed'] as const)
      t.is(readPoison(Buffer.from(messageOf(n, 0, form).body).toString('latin1')), n);
  }
});

/** An oracle of so many messages that are all acknowledged, and the rows and dead letters that they make. */
function judged(count: number, butFor: ReadonlyArray<number> = []): Oracle {
  const oracle = new Oracle(1000);
  const newest = new Map<string, number>();
  for (let n = 0; n < count; n += 1) {
    oracle.attempt();
    oracle.acknowledge(n);
    if (butFor.includes(n)) continue;
    if (kindOf(n) === 'poison') oracle.deadLetter({ reason: 'not_json', body: instanceOf(n) });
    else if (kindOf(n) === 'notice') oracle.notification(String(n), 1);
    else newest.set(instanceOf(n), n);
  }
  for (const [instance, n] of newest) oracle.row({ instance, status: statusOf(n), sent: sentOf(1000, n) });
  return oracle;
}

test('the oracle finds nothing wrong where all rows and dead letters are there', (t) => {
  const oracle = judged(9000);
  t.like(oracle.tally(), {
    attempted: 9000,
    acknowledged: 9000,
    ok: 9000,
    lost: 0,
    unexpected: 0,
    duplicated: 0,
  });
  t.deepEqual(oracle.problems, []);
});

test('the oracle finds each kind of message that is lost, and only a newest one of a busy instance', (t) => {
  const [once, late, poison, notice, newest, superseded] = [5, 1500, 3000, 4050, 8998, 2];
  t.deepEqual([once, late, poison, notice, newest].map(kindOf), ['once', 'late', 'poison', 'notice', 'busy']);
  const oracle = judged(9000, [once, late, poison, notice, newest, superseded]);
  t.deepEqual(oracle.lost(10), [once, late, poison, notice, newest]);
  t.is(oracle.tally().lost, 5);
  t.is(oracle.tally(0, 10).lost, 1);
});

test('the oracle finds values and dead letters that no message has made, and a dead letter that is there twice', (t) => {
  const oracle = judged(2000);
  const row = { instance: instanceOf(5), status: statusOf(5), sent: sentOf(1000, 5) };
  for (const wrong of [
    { ...row, sent: row.sent + 1 },
    { ...row, status: 'building' },
    { ...row, instance: instanceOf(2001) },
    { ...row, instance: 'another' },
    { instance: instanceOf(2), status: statusOf(6), sent: sentOf(1000, 6) },
  ])
    oracle.row(wrong);
  oracle.deadLetter({ reason: 'refused', body: instanceOf(5) });
  t.is(oracle.problemCount, 6);
  t.like(oracle.tally(), { unexpected: 2, duplicated: 0 });
  oracle.deadLetter({ reason: 'not_json', body: instanceOf(1000) });
  t.is(oracle.tally().duplicated, 1);
  oracle.notification('1050', 2);
  oracle.notification('1051', 1);
  t.is(oracle.tally().duplicated, 2);
  t.is(oracle.problemCount, 7);
  oracle.clear();
  // What listeners have heard stays.
  t.is(oracle.tally().ok, 20);
});

test('the table has a row for each transport and fault, over all rounds, and their sum', (t) => {
  const tally = {
    attempted: 10,
    acknowledged: 9,
    ok: 9,
    lost: 0,
    duplicated: 1,
    recovered: 2,
    unexpected: 0,
  };
  const round = {
    seed: '1',
    transport: 'nats',
    broker: 'nats-server',
    replicas: 2,
    redelivered: 0,
    calls: { answered: 0, repeated: 0 },
    excluded: [],
    problems: [],
  } as const;
  const lines = tableOf([
    { ...round, parts: [{ fault: 'kill', tally, longestGap: 1500 }] },
    { ...round, parts: [{ fault: 'kill', tally, longestGap: 700 }] },
  ]);
  t.is(lines.length, 4);
  t.regex(
    lines[2] ?? '',
    /^\| nats +\| kill +\| +2 \| +20 \| +18 \| +18 \| +0 \| +2 \| +4 \| +0 \| +1\.5 \|$/,
  );
  t.regex(lines[3] ?? '', /^\| all +\| +\| +2 \| +20 /);
});

test('a run of the harness is told from a run of test files, and wrong arguments are named', (t) => {
  t.true(isHarness(['--faults', '--concurrency=2', '--minutes', '5']));
  t.false(isHarness(['--faults', '--concurrency=2', 'test/faults/kill.test.ts']));
  const options = parseOptions(['--faults', '--minutes', '2', '--transport', 'nats,mqtt'], () => 'drawn');
  t.like(options, { minutes: 2, seeds: ['drawn'], transports: ['nats', 'mqtt'] });
  t.is(options.cluster, undefined);
  t.is(parseOptions(['--servers', 'cluster'], () => '').cluster, true);
  t.is(parseOptions(['--servers', 'single'], () => '').cluster, false);
  t.throws(() => parseOptions(['--servers', 'x'], () => ''), { message: /^--servers x: there is none/ });
  t.is(parseOptions(['--calm', '3'], () => '').calm, 3);
  t.throws(() => parseOptions(['--calm', '0'], () => ''), { message: /^--calm 0: / });
  t.throws(() => parseOptions(['--minutes', 'x'], () => ''), { message: /^--minutes x: / });
  t.throws(() => parseOptions(['--fault', 'x'], () => ''), { message: /^--fault x: there is none/ });
});
