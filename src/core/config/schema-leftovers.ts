import type { Section } from '../options.ts';
import { milliseconds, positiveInteger, positiveIntegerUpTo, share } from './formats.ts';

/** Options of `deferred`. */
export const deferredSchema = {
  interval: {
    doc: 'Milliseconds between two searches for deferred messages that are due.',
    default: 1000,
    format: milliseconds,
  },
  firstDelay: {
    doc: 'Milliseconds until the first retry. The delay doubles each time.',
    default: 1000,
    format: milliseconds,
  },
  maxDelay: { doc: 'Milliseconds: the longest retry delay.', default: 60_000, format: milliseconds },
  maxAge: {
    doc: 'Milliseconds after which a deferred message with reason `unknown` or `contended` becomes a dead letter.',
    default: 3_600_000,
    format: milliseconds,
  },
  maxRows: {
    doc: 'The most deferred messages. If there are more, the oldest with reason `unknown` or `contended` become dead letters.',
    default: 100_000,
    format: positiveInteger,
  },
} satisfies Section;

/** Options of `deadLetters`. */
export const deadLettersSchema = {
  maxRows: {
    doc: 'The most dead letters that are kept. If there are more, the conductor deletes the oldest.',
    default: 100_000,
    format: positiveInteger,
  },
  maxAge: {
    doc: 'Milliseconds after which a dead letter is deleted. The default is 30 days.',
    default: 30 * 86_400_000,
    format: positiveIntegerUpTo(100 * 365 * 86_400_000),
  },
  stormShare: {
    doc: 'A part of the messages of a minute, from 0 to 1. If the database refuses a larger part, the conductor holds these messages.',
    default: 0.1,
    format: share,
  },
  perSender: {
    doc: 'The most dead letters of one sender and one reason that a worker thread keeps whole in a minute. One row counts the further ones, without their bodies. This holds for reasons that are mistakes of senders, such as `bad_argument`, and bounds those of all senders to a hundredth of `deadLetters.maxRows` a minute.',
    default: 10,
    format: positiveInteger,
  },
  redact: {
    doc: 'Names of arguments, separated by commas, such as `password, token`. Dead letters do not keep their values, at any depth. A body that cannot be read is not kept at all. Messages that wait in `deferred` keep them, since they have still to be applied.',
    default: '',
  },
} satisfies Section;
