import test from 'ava';
import fc from 'fast-check';
import type { Census } from '../../src/jobs/census.ts';
import { judge, reasonToWait } from '../../src/jobs/sweep-policy.ts';
import { sweepStatuses } from '../../src/jobs/sweep-statuses.ts';
import { statuses } from '../../src/workers/methods/statuses.ts';

const limits = { heartbeatExpiry: 90_000, grace: 180_000, maxShare: 0.05, suspect: 0.55 };
const fleet: Census = {
  watched: 1000,
  late: 10,
  silent: 10,
  overdue: 0,
  ids: [],
  recent: 990,
  delayed: 0,
  marked: 0,
  serverAge: 1e9,
};

for (const [what, change, expected] of [
  ['a few silent guests are marked at once', {}, { marks: 10, slowly: false }],
  ['as many as the share are marked at once', { silent: 50, late: 50 }, { marks: 50, slowly: false }],
  ['more than the share are marked slowly', { silent: 51, late: 51 }, { marks: 5, slowly: true }],
  [
    'what was marked in the last minute counts',
    { silent: 30, late: 30, marked: 20 },
    { marks: 30, slowly: false },
  ],
  [
    'beyond the share with that it goes slowly',
    { silent: 30, late: 30, marked: 21 },
    { marks: 0, slowly: true },
  ],
  ['overdue builds count too', { silent: 0, late: 0, overdue: 3 }, { marks: 3, slowly: false }],
  ['of a small fleet one is marked', { watched: 4, late: 1, silent: 1 }, { marks: 1, slowly: false }],
  ['nobody is silent', { late: 0, silent: 0 }, { marks: 0, slowly: false }],
] as const) {
  test(what, (t) => {
    t.deepEqual(judge({ ...fleet, ...change }, limits), expected);
  });
}

for (const [what, change, isSuspect, because] of [
  ['most guests are late', { late: 551, silent: 1 }, true, '551 of 1000 guests are late or silent'],
  ['the only guest is silent', { watched: 1, late: 1, silent: 1 }, true, '1 of 1 guests'],
  ['heartbeats come from a backlog', { delayed: 100 }, false, 'a backlog is being worked off: 100 of 990'],
  ['the server started a moment ago', { serverAge: 179_999 }, false, "the database's server started"],
] as const) {
  test(`nobody is judged if ${what}`, (t) => {
    const verdict = judge({ ...fleet, ...change }, limits);
    if (!('because' in verdict)) throw new Error('somebody is judged');
    t.is(verdict.isSuspect, isSuspect);
    t.true(verdict.because.startsWith(because), verdict.because);
  });
}

test('a replica judges nobody in the grace, or while messages are unsettled for long', (t) => {
  const calm = { calmFor: 180_000, oldestUnsettled: 90_000 };
  t.is(reasonToWait(calm, limits), undefined);
  t.regex(
    reasonToWait({ ...calm, calmFor: 179_999 }, limits) ?? '',
    /was lost or came back \(sweep\.grace\)$/,
  );
  t.regex(reasonToWait({ ...calm, calmFor: 0 }, limits) ?? '', /is away/);
  t.regex(reasonToWait({ ...calm, oldestUnsettled: 90_001 }, limits) ?? '', /unsettled/);
});

test('whatever the fleet looks like, no more are marked than are due, nor more in a minute than the share', (t) => {
  const count = fc.nat(100_000);
  fc.assert(
    fc.property(
      count,
      count,
      count,
      count,
      count,
      fc.nat(100_000),
      (watched, late, silent, overdue, marked, recent) => {
        const census = { ...fleet, watched, late, silent, overdue, marked, recent };
        const verdict = judge(census, limits);
        if ('because' in verdict) return;
        t.true(verdict.marks <= silent + overdue && verdict.marks >= 0);
        t.true(verdict.marks === 0 || verdict.marks + marked <= Math.max(1, watched * limits.maxShare));
        t.true(late <= watched * limits.suspect);
      },
    ),
  );
});

test("the codes of the sweep are Trove's, and each status is judged in one way at most", (t) => {
  const { alive, building, unknown, failed } = sweepStatuses;
  const words = (ids: readonly number[]) =>
    [...statuses.values()].filter(({ id }) => ids.includes(id)).map(({ description }) => description);
  t.deepEqual(words(alive), [
    'running',
    'blocked',
    'promoting replica',
    'ejecting replica source',
    'transferring guest logs',
    'instance ready',
    'healthy',
    'upgrading',
    'restarting',
  ]);
  t.deepEqual(words(building), ['building', 'new']);
  for (const { id, description } of [unknown, failed])
    t.deepEqual(statuses.get(description), { id, description });
});
