import type { Section } from '../options.ts';
import { positiveIntegerUpTo, wholeNumberUpTo, zeroOrFrom } from './formats.ts';

/** The options of a long outage. */
export const parkSchema = {
  after: {
    doc: 'Milliseconds. If messages are held for longer, because Postgres is away, the replica gives all of them back to the brokers once and consumes again when Postgres answers. It has to be less than the time after which the broker takes messages back (RabbitMQ: `consumer_timeout`, 30 minutes by default). 0: messages are held for as long as it takes.',
    default: 300_000,
    format: wholeNumberUpTo(86_400_000),
  },
} satisfies Section;

/** The options of replicas that are gone. */
export const adoptSchema = {
  after: {
    doc: 'Milliseconds. If a replica gives no sign of life for this time, its peers take over the messages that an MQTT broker keeps for it, and end its session there. It has to be shorter than `sessionExpiry`. Set it alike on all replicas. 0: never. Otherwise at least 1000.',
    default: 300_000,
    format: zeroOrFrom(1000, 7 * 86_400_000),
  },
} satisfies Section;

/** The options of what a replica finds out about itself. */
export const healthSchema = {
  wedgedAfter: {
    doc: 'Milliseconds. If a transport holds messages and settles none for this time although the database answers, the replica is wedged: `/health/live` answers 503. The same holds for a single batch or job that takes ten times as long. It has to be longer than a call may take, or twice `calls.timeout` counts. 0: never.',
    default: 60_000,
    format: wholeNumberUpTo(86_400_000),
  },
  mutedAfter: {
    doc: 'Milliseconds. If all heartbeats of a guest are stale for this time, health and the log name the guest: its clock is behind one that it had before.',
    default: 90_000,
    format: positiveIntegerUpTo(86_400_000),
  },
} satisfies Section;
