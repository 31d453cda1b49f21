import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { pino } from 'pino';
import { jobsConnections } from '../../src/conductor/jobs.ts';
import { Boss } from '../../src/jobs/boss.ts';
import { lockWith } from '../faults/databases.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { workerSettings } from '../support/worker.ts';
import { counting, startJobs, waits } from './support.ts';

const test = needs(ava, 'postgres');

test('of two replicas one runs a round, and each of them wins at times', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  let running = 0;
  let most = 0;
  const work = async () => {
    running += 1;
    most = Math.max(most, running);
    await sleep(5);
    running -= 1;
    return {};
  };
  const [one, two] = [counting('shared', 20, work), counting('shared', 20, work)];
  startJobs(t, database, [one], { replica: 'one' });
  startJobs(t, database, [two], { replica: 'two' });
  await waitFor(() => one.rounds() > 5 && two.rounds() > 5, { what: 'both to win', timeout: 30_000 });
  t.is(most, 1);
});

test('a job keeps one row of pg-boss, however many rounds it has had', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const job = counting('frequent', 1);
  startJobs(t, database, [job]);
  await waitFor(() => job.rounds() > 100, { what: 'many rounds', timeout: 30_000 });
  t.is((await database.query('SELECT FROM conductor_jobs.job')).length, 1);
});

test('a job of a transport whose name no queue may have runs', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const [odd, other] = [counting("retry/it's ü", 10), counting('retry/it.27.s ü', 10)];
  startJobs(t, database, [odd, other]);
  await waitFor(() => odd.rounds() > 1 && other.rounds() > 1, { what: 'both to run', timeout: 30_000 });
  t.is((await database.query('SELECT FROM conductor_jobs.queue')).length, 2);
});

test('a job that hangs is overdue, although the others run, and also when pg-boss has failed', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  let release = () => {};
  const hanging = counting('hanging', 10, () => new Promise((resolve) => (release = () => resolve({}))));
  const other = counting('other', 10);
  const { jobs, lines } = startJobs(t, database, [other, hanging]);
  t.teardown(async () => release());
  const isOverdue = () =>
    jobs.overdue?.name === 'hanging' && performance.now() - jobs.overdue.dueAt > 1000 && other.rounds() > 3;
  await waitFor(isOverdue, { what: 'the job to be overdue', timeout: 30_000 });
  await database.query('DROP SCHEMA conductor_jobs CASCADE');
  await waitFor(() => lines(waits).length > 0, { what: 'the jobs to fail', timeout: 30_000 });
  t.is(jobs.overdue?.name, 'hanging');
  release();
});

test('no job is overdue while the jobs cannot run', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query('DROP SCHEMA conductor_jobs CASCADE');
  const { jobs, lines } = startJobs(t, database, [counting('one', 10), counting('other', 10)]);
  await waitFor(() => lines(waits).length > 0, { what: 'the jobs to fail', timeout: 30_000 });
  const { dueAt: first = Number.NaN } = jobs.overdue ?? {};
  await waitFor(() => (jobs.overdue?.dueAt ?? 0) > first, { what: 'the jobs to try again' });
  t.pass();
});

test('a round that says that work is left is followed by the next one at once', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const job = counting('long', 60_000, () => Promise.resolve({ isUnfinished: true }));
  startJobs(t, database, [job]);
  await waitFor(() => job.rounds() > 5, { what: 'further rounds', timeout: 30_000 });
  t.pass();
});

test('a round that throws is logged once, comes again, and disturbs no other job', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  let isBroken = true;
  const bad = counting('bad', 10, async () => {
    if (isBroken) throw new Error('out of paper');
    return {};
  });
  const good = counting('good', 10);
  const { jobs, lines } = startJobs(t, database, [bad, good]);
  await waitFor(() => bad.rounds() > 3 && good.rounds() > 3, { what: 'rounds of both', timeout: 30_000 });
  t.like(lines('a job fails; it is tried again'), [{ job: 'bad', because: 'out of paper' }]);
  t.is(lines().length, 1);
  t.is(jobs.lastSuccess('bad'), undefined);
  t.true(Date.now() - (jobs.lastSuccess('good') ?? 0) < 10_000);
  isBroken = false;
  await waitFor(() => lines('a job succeeds again').length === 1, { what: 'the line of the end' });
  t.true(Date.now() - (jobs.lastSuccess('bad') ?? 0) < 10_000);
});

test('a replica knows of the success of another one', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const job = counting('known', 60_000);
  const first = startJobs(t, database, [job]);
  await waitFor(() => first.jobs.lastSuccess('known') !== undefined, { what: 'a success' });
  await first.jobs.stop();
  const second = startJobs(t, database, [counting('known', 60_000)], { replica: 'two' });
  await waitFor(() => second.jobs.lastSuccess('known') !== undefined, { what: 'the other one to know' });
  t.is(second.jobs.lastSuccess('known'), first.jobs.lastSuccess('known'));
});

test('the round of a replica that is gone is run by another one', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const connections = jobsConnections(workerSettings(database.url), pino({ level: 'silent' }));
  t.teardown(() => connections.close());
  const [gone, taken] = [counting('taken', 10), counting('taken', 10)];
  const boss = await Boss.open(connections.boss, 'conductor_jobs', [gone], () => {});
  await boss.lookAfter(gone);
  const claim = await boss.claim(gone);
  if (claim === undefined) return t.fail('the first replica has no round');
  t.is(await boss.claim(gone), undefined);
  // Its last sign of life is a minute old.
  await database.query("UPDATE conductor_jobs.job SET heartbeat_on = now() - interval '1 minute'");
  await database.query('UPDATE conductor_jobs.queue SET monitor_on = NULL, monitor_claim_on = NULL');
  startJobs(t, database, [taken], { replica: 'two' });
  await waitFor(() => taken.rounds() > 1, { what: 'the other replica to run it', timeout: 30_000 });
  t.false(await boss.touch(gone, claim));
  await boss.close();
});

test('a slow statement of a round keeps no other job from its rounds', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const settings = workerSettings(database.url, { database: { lockTimeout: 60_000 } });
  const connections = jobsConnections(settings, pino({ level: 'silent' }));
  t.teardown(() => connections.close());
  const lock = await lockWith(t, database, 'LOCK TABLE dead_letters');
  const slow = counting('slow', 10, async () => {
    await connections.rounds.transaction((db) => db.query('', 'SELECT FROM dead_letters', []));
    return {};
  });
  const quick = counting('quick', 10);
  const { lines } = startJobs(t, database, [slow, quick]);
  await waitFor(() => slow.rounds() === 1, { what: 'the slow round' });
  const before = quick.rounds();
  await waitFor(() => quick.rounds() > before + 20, { what: 'rounds of the other job', timeout: 30_000 });
  t.is(slow.rounds(), 1);
  await lock.release();
  await waitFor(() => slow.rounds() > 1, { what: 'the slow job to go on' });
  t.deepEqual(lines(), []);
});
