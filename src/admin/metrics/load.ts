import type { Metric } from './metric.ts';

/** How much of the replica is in use. */
export const loadMetrics: readonly Metric[] = [
  {
    name: 'conductor_utilisation',
    type: 'gauge',
    help: 'The share of its capacity that the replica uses, 0 to 1: the largest of conductor_utilisation_part. Scale by it.',
    labels: [],
    read: ({ utilisation: { value } }) => [[[], value]],
  },
  {
    name: 'conductor_utilisation_part',
    type: 'gauge',
    help: 'The parts of the utilisation, each 0 to 1 and the mean of the last 15 s: messages in workers as a share of full batches in all slots; call slots that are taken; the time of the main thread that is not idle.',
    labels: ['part'],
    read: ({
      utilisation: {
        parts: { batches, calls, mainThread },
      },
    }) => [
      [['batches'], batches],
      [['calls'], calls],
      [['main_thread'], mainThread],
    ],
  },
  {
    name: 'conductor_worker_threads',
    type: 'gauge',
    help: 'Worker threads.',
    labels: [],
    read: ({ workers: { threads } }) => [[[], threads]],
  },
  {
    name: 'conductor_batch_slots',
    type: 'gauge',
    help: 'Batches that can run at once.',
    labels: [],
    read: ({ workers: { slots } }) => [[[], slots]],
  },
  {
    name: 'conductor_call_slots',
    type: 'gauge',
    help: 'Calls that can run at once.',
    labels: [],
    read: ({ workers: { callSlots } }) => [[[], callSlots]],
  },
  {
    name: 'conductor_worker_messages',
    type: 'gauge',
    help: 'Messages in workers now, those of calls left out.',
    labels: [],
    read: ({ workers: { messages } }) => [[[], messages]],
  },
  {
    name: 'conductor_worker_calls',
    type: 'gauge',
    help: 'Calls in workers now.',
    labels: [],
    read: ({ workers: { calls } }) => [[[], calls]],
  },
  {
    name: 'conductor_worker_tasks_queued',
    type: 'gauge',
    help: 'Tasks that wait for a worker thread.',
    labels: [],
    read: ({ workers: { queued } }) => [[[], queued]],
  },
  {
    name: 'conductor_worker_deaths_total',
    type: 'counter',
    help: 'Batches and calls whose worker thread died. Their messages run again.',
    labels: [],
    read: ({ workers: { deaths } }) => [[[], deaths]],
  },
];
