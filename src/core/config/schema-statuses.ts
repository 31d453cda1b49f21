import type { Section } from '../options.ts';
import { milliseconds, nonEmptyText, positiveInteger, positiveIntegerUpTo, share } from './formats.ts';

/** The options about the statuses of instances. */
export const statusSections = {
  transitions: {
    maxRows: {
      doc: 'The most changes of status that are kept. If there are more, the conductor deletes the oldest.',
      default: 1_000_000,
      format: positiveInteger,
    },
    maxAge: {
      doc: 'Milliseconds after which a change of status is deleted. The default is 7 days.',
      default: 7 * 86_400_000,
      format: positiveIntegerUpTo(100 * 365 * 86_400_000),
    },
    publish: {
      doc: 'The name of a transport. Each change of status is published over it, as a notification ([protocol.md](protocol.md#changes-of-status)). Empty: changes are not published. Set it alike on all replicas.',
      default: '',
    },
    topic: {
      doc: 'The topic of these notifications. With `codec: oslo` the conductor adds `.info`. It must not be one that the transport consumes.',
      default: 'status-changes',
      format: nonEmptyText,
    },
  },
  sweep: {
    mode: {
      doc: '`on`: instances whose guests are silent get the status `unknown`, and builds beyond their time `guestagent error`. `dry-run`: the log only says how many there are. `off`: nobody looks. Set it alike on all replicas.',
      default: 'off',
      format: ['off', 'dry-run', 'on'],
    },
    heartbeatExpiry: {
      doc: 'Milliseconds without a heartbeat after which a guest counts as silent. At least twice the time between two heartbeats of a guest.',
      default: 90_000,
      format: milliseconds,
    },
    buildTimeout: {
      doc: 'Milliseconds without a heartbeat after which an instance with the status `new` or `building` gets `guestagent error`.',
      default: 1_800_000,
      format: milliseconds,
    },
    grace: {
      doc: 'Milliseconds in which the sweep judges nobody, after the start of a replica or of Postgres, and after a replica has lost a broker or Postgres.',
      default: 180_000,
      format: milliseconds,
    },
    maxShare: {
      doc: 'The part of the fleet, from 0 to 1, that the sweep marks in a minute at most, all replicas together. If more are silent, it goes on at a tenth of that.',
      default: 0.05,
      format: share,
    },
    suspect: {
      doc: 'A part of the fleet, from 0 to 1. If more guests are silent or were not heard of for half of `sweep.heartbeatExpiry`, the fault is probably not theirs, and the sweep marks nobody.',
      default: 0.55,
      format: share,
    },
    interval: {
      doc: 'Milliseconds between two looks of the sweep.',
      default: 10_000,
      format: milliseconds,
    },
  },
} satisfies Section;
