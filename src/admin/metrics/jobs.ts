import { sweepRounds, tableNames } from '../../core/job-figures.ts';
import type { Metric, Sample } from './metric.ts';

/** The jobs, and what they know of the database. The counters are of the rounds that this replica has run. */
export const jobMetrics: readonly Metric[] = [
  {
    name: 'conductor_jobs_up',
    type: 'gauge',
    help: '1 while the jobs can run. 0: deferred messages are not retried, and no table is trimmed.',
    labels: [],
    read: ({ jobs: { problem } }) => [[[], problem === undefined ? 1 : 0]],
  },
  {
    name: 'conductor_job_last_success_timestamp_seconds',
    type: 'gauge',
    help: 'When a round of the job last succeeded on any replica, as far as this one knows. It may lag by 15 s or three rounds.',
    labels: ['job'],
    read: ({ jobs }) =>
      jobs.names.flatMap((name): Sample<number>[] => {
        const last = jobs.lastSuccess(name);
        return last === undefined ? [] : [[[name], last / 1000]];
      }),
  },
  {
    name: 'conductor_deferred_retried_total',
    type: 'counter',
    help: 'Deferred messages that were tried again.',
    labels: ['transport'],
    read: ({ jobFigures: { transports } }) =>
      [...transports].map(([transport, { retried }]) => [[transport], retried]),
  },
  {
    name: 'conductor_deferred_resolved_total',
    type: 'counter',
    help: 'The deferred messages tried again that no longer wait: applied, stale, duplicate or dead.',
    labels: ['transport'],
    read: ({ jobFigures: { transports } }) =>
      [...transports].map(([transport, { resolved }]) => [[transport], resolved]),
  },
  {
    name: 'conductor_dead_letters_redriven_total',
    type: 'counter',
    help: 'Dead letters that were redriven, by their new outcome. `refused`: they cannot be redriven as they are. `held`: they wait on.',
    labels: ['transport', 'outcome'],
    read: ({ jobFigures: { transports } }) =>
      [...transports].flatMap(([transport, { redriven }]) =>
        Object.entries(redriven).map(([outcome, count]): Sample<number> => [[transport, outcome], count]),
      ),
  },
  {
    name: 'conductor_notifications_total',
    type: 'counter',
    help: 'Notifications that the broker has accepted, and tries that it refused or did not answer in time.',
    labels: ['transport', 'result'],
    read: ({ notifications }) =>
      [...notifications].flatMap(([transport, { published, failed }]): Sample<number>[] => [
        [[transport, 'published'], published],
        [[transport, 'failed'], failed],
      ]),
  },
  {
    name: 'conductor_table_rows',
    type: 'gauge',
    help: 'Rows of a table of the database, which all replicas share: exact below 1000 for deferred, dead_letters and notification_outbox, otherwise an estimate of Postgres. Counted every 10 s.',
    labels: ['table'],
    read: ({ jobFigures: { tables } }) =>
      tables === undefined ? [] : tableNames.map((table) => [[table], tables.rows[table]]),
  },
  {
    name: 'conductor_deferred_overdue_seconds',
    type: 'gauge',
    help: 'How long ago the deferred message that is longest overdue was due. All replicas see the same.',
    labels: [],
    read: ({ jobFigures: { tables } }) => (tables === undefined ? [] : [[[], tables.deferredOverdue]]),
  },
  {
    name: 'conductor_outbox_oldest_seconds',
    type: 'gauge',
    help: 'How long the oldest notification has waited in the outbox. All replicas see the same.',
    labels: [],
    read: ({ jobFigures: { tables } }) => (tables === undefined ? [] : [[[], tables.outboxAge]]),
  },
];

/** Guests, as the sweep and the watch over the clocks see them. */
export const guestMetrics: readonly Metric[] = [
  {
    name: 'conductor_guests_clock_ahead',
    type: 'gauge',
    help: 'Guests whose clocks are more than 300 s ahead of that of the database, as far as this replica knows.',
    labels: [],
    read: (subject) => [[[], subject.clocks().ahead.count]],
  },
  {
    name: 'conductor_guests_muted',
    type: 'gauge',
    help: 'Guests of which no heartbeat counts, since all are older than one that was applied, as far as this replica knows.',
    labels: [],
    read: (subject) => [[[], subject.clocks().muted.count]],
  },
  {
    name: 'conductor_sweep_rounds_total',
    type: 'counter',
    help: 'Rounds of the sweep. `waited`: it judged nobody. `suspect`: nearly all guests were silent, so it marked nobody.',
    labels: ['round'],
    read: ({ jobFigures: { sweepRounds: rounds } }) => sweepRounds.map((round) => [[round], rounds[round]]),
  },
  {
    name: 'conductor_sweep_marked_total',
    type: 'counter',
    help: 'Instances that the sweep has marked; with sweep.mode dry-run, would have marked.',
    labels: [],
    read: ({ jobFigures: { sweepMarked } }) => [[[], sweepMarked]],
  },
  {
    name: 'conductor_sweep_guests',
    type: 'gauge',
    help: 'Guests by the last census that this replica took: watched by the sweep, late, silent, and builds that are overdue.',
    labels: ['status'],
    read: ({ jobFigures: { fleet } }) =>
      fleet === undefined
        ? []
        : (['watched', 'late', 'silent', 'overdue'] as const).map((status) => [[status], fleet[status]]),
  },
  {
    name: 'conductor_sweep_census_timestamp_seconds',
    type: 'gauge',
    help: 'When this replica took its last census. The replicas take turns, so the newest one counts.',
    labels: [],
    read: ({ jobFigures: { fleet } }) => (fleet === undefined ? [] : [[[], fleet.at / 1000]]),
  },
];
