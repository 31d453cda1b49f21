import type { Section } from '../options.ts';
import { milliseconds, positiveInteger } from './formats.ts';

/** The options about calls. */
export const callSections = {
  calls: {
    concurrency: {
      doc: 'The number of calls that one thread runs at once. Each uses a further connection to Postgres. Casts never wait for calls.',
      default: 2,
      format: positiveInteger,
    },
    timeout: {
      doc: 'The longest time that a call may run, in milliseconds. After this time the call is rolled back, and its caller gets `Timeout`. If the caller waits for less time, that time is the limit.',
      default: 10_000,
      format: milliseconds,
    },
    maxReply: {
      doc: 'The most bytes of an encoded answer with a result. If the answer is longer, its caller gets `ResultTooLarge`, and the call is rolled back.',
      default: 1024 * 1024,
      format: positiveInteger,
    },
    maxRows: {
      doc: 'The most rows that one call lists, creates or updates.',
      default: 1000,
      format: positiveInteger,
    },
    maxWaiters: {
      doc: 'The most calls of `await_status` that a replica holds at once. The caller of a further one gets `Busy`. They also take no more than half of the room for calls.',
      default: 1000,
      format: positiveInteger,
    },
    resultRetention: {
      doc: 'How long the answer to a call that changed something is kept, in milliseconds. Until then a repetition gets that answer and changes nothing.',
      default: 86_400_000,
      format: milliseconds,
    },
    maxResults: {
      doc: 'The most answers that are kept. If there are more, the conductor deletes the oldest before `calls.resultRetention` has passed.',
      default: 1_000_000,
      format: positiveInteger,
    },
  },
} satisfies Section;
