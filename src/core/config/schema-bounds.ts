import type { Section } from '../options.ts';
import { positiveInteger, wholeNumber } from './formats.ts';

/** The options of the worker threads. */
export const workersSchema = {
  threads: {
    doc: 'The number of worker threads. 0: one less than the number of cores, because one core is for the brokers, but at least one.',
    default: 0,
    format: wholeNumber,
  },
  concurrency: {
    doc: 'The number of batches that one thread runs at once. Each uses a connection to Postgres. One batch is decoded while another waits for Postgres.',
    default: 4,
    format: positiveInteger,
  },
  maxBatch: { doc: 'The most messages in one batch.', default: 1000, format: positiveInteger },
} satisfies Section;

/** The bounds of what is in memory. */
export const boundSections = {
  maxInFlight: {
    doc: 'The most messages in memory. Each transport gets an equal share, which is also its prefetch. While a transport takes over the session of a replica that is gone, it may have a tenth more.',
    default: 4000,
    format: positiveInteger,
  },
  maxInFlightBytes: {
    doc: 'The most bytes of bodies in memory. Each transport gets an equal share.',
    default: 64 * 1024 * 1024,
    format: positiveInteger,
  },
  maxBody: {
    doc: 'The most bytes of a body. A message with a longer body becomes a dead letter with the prefix and the digest of the body.',
    default: 256 * 1024,
    format: positiveInteger,
  },
} satisfies Section;
