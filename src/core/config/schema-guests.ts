import type { Section } from '../options.ts';
import { milliseconds, wholeNumber } from './formats.ts';

/** The options about guests. */
export const guestSections = {
  guests: {
    autoRegister: {
      doc: '`true`: the first heartbeat of an unknown instance inserts its row into `instances`. `false`: the heartbeat is deferred.',
      default: false,
    },
    heartbeatInterval: {
      doc: 'Milliseconds: the shortest time between two heartbeats that the call `heartbeat_interval` answers.',
      default: 30_000,
      format: milliseconds,
    },
    maxHeartbeatsPerSecond: {
      doc: 'The most heartbeats in a second of the whole fleet, if its guests follow `heartbeat_interval`. The interval is the number of instances divided by it, but at most a third of `sweep.heartbeatExpiry`, so that no guest seems silent. 0: no limit.',
      default: 1000,
      format: wholeNumber,
    },
  },
} satisfies Section;
