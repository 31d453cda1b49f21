import { deadReasons } from '../../core/errors.ts';
import type { Counters } from '../../core/gateway/counters.ts';
import { outcomeKinds } from '../../core/message/outcome.ts';
import type { Metric, Sample } from './metric.ts';
import type { MetricsSubject } from './subject.ts';

/** One value for each transport. */
function each(of: (counters: Counters) => number) {
  return ({ counters }: MetricsSubject): Sample<number>[] =>
    [...counters].map(([transport, own]) => [[transport], of(own)]);
}

/** The messages, and the account of them: received = the sum of outcomes + released + in memory, at any time. */
export const messageMetrics: readonly Metric[] = [
  {
    name: 'conductor_messages_received_total',
    type: 'counter',
    help: 'Deliveries taken from the broker. A redelivery counts again.',
    labels: ['transport'],
    read: each(({ received }) => received),
  },
  {
    name: 'conductor_messages_redelivered_total',
    type: 'counter',
    help: 'The received deliveries that the broker had delivered before.',
    labels: ['transport'],
    read: each(({ redelivered }) => redelivered),
  },
  {
    name: 'conductor_messages_settled_total',
    type: 'counter',
    help: 'Messages by outcome. Each message has one outcome, after which the broker may forget it.',
    labels: ['transport', 'outcome'],
    read: ({ counters }) =>
      [...counters].flatMap(([transport, { outcomes }]) =>
        outcomeKinds.map((kind): Sample<number> => [[transport, kind], outcomes[kind]]),
      ),
  },
  {
    name: 'conductor_method_outcomes_total',
    type: 'counter',
    help: 'Messages by method and outcome. Calls that were refused for want of room have no method here.',
    labels: ['transport', 'method', 'outcome'],
    read: ({ counters }) =>
      [...counters].flatMap(([transport, { byMethod }]) =>
        [...byMethod].flatMap(([method, counts]) =>
          outcomeKinds.map((kind, index): Sample<number> => [[transport, method, kind], counts[index] ?? 0]),
        ),
      ),
  },
  {
    name: 'conductor_messages_released_total',
    type: 'counter',
    help: 'Messages given back to the broker without an outcome: at a stop, or because their session ended first.',
    labels: ['transport'],
    read: each(({ released }) => released),
  },
  {
    name: 'conductor_messages_in_memory',
    type: 'gauge',
    help: 'Messages in memory now: they wait for a worker or are in one.',
    labels: ['transport'],
    read: each(({ held }) => held),
  },
  {
    name: 'conductor_messages_in_memory_bytes',
    type: 'gauge',
    help: 'The bodies of the messages in memory, in bytes.',
    labels: ['transport'],
    read: each(({ heldBytes }) => heldBytes),
  },
  {
    name: 'conductor_calls_waiting_for_status',
    type: 'gauge',
    help: 'The messages in memory that are calls which wait for a status. They may wait for minutes.',
    labels: ['transport'],
    read: each(({ waiting }) => waiting),
  },
  {
    name: 'conductor_unexplained_messages',
    type: 'gauge',
    help: 'Received minus outcomes, released and in memory. Anything but 0 is a fault of the conductor: report it.',
    labels: ['transport'],
    read: each(({ unexplained }) => unexplained),
  },
  {
    name: 'conductor_dead_letters_total',
    type: 'counter',
    help: 'New dead letters by reason, those that died while deferred included.',
    labels: ['transport', 'reason'],
    read: ({ counters }) =>
      [...counters].flatMap(([transport, { deadBy }]) =>
        deadReasons.map((reason): Sample<number> => [[transport, reason], deadBy[reason] ?? 0]),
      ),
  },
  {
    name: 'conductor_oldest_unsettled_seconds',
    type: 'gauge',
    help: 'How long the oldest message in memory has waited for its outcome. Calls do not count. 0: there is none.',
    labels: [],
    read: ({ oldestUnsettled }) => [[[], oldestUnsettled / 1000]],
  },
];
