import type { Section } from '../options.ts';
import { wholeNumber } from './formats.ts';

/** The options that bound what one guest may send. */
export const quotaSections = {
  quotas: {
    perSecond: {
      doc: 'The most messages of one proven guest that a worker thread runs in a second, in the long run; for a moment ten times as many. Messages of a batch about the same instance or backup count as one, so a backlog of heartbeats is within it. Of further heartbeats the newest is deferred, and the others are `superseded` by it. Further casts of other methods are deferred, calls get `Busy`. Services have no quota. 0: no guest has one.',
      default: 50,
      format: wholeNumber,
    },
    bytesPerSecond: {
      doc: 'The most bytes of bodies of one proven guest that a worker thread takes in a second, in the long run. For a moment it takes ten times as many. Further messages are treated as with `quotas.perSecond`. 0: no limit.',
      default: 1_048_576,
      format: wholeNumber,
    },
    burst: {
      doc: 'The most casts of one guest beyond its quota that a worker thread defers. Further ones are dead letters with reason `over_quota`, of which only the first are kept whole.',
      default: 1000,
      format: wholeNumber,
    },
  },
} satisfies Section;
