import type { Section } from '../options.ts';
import { positiveInteger, positiveIntegerUpTo } from './formats.ts';

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
  },
} satisfies Section;
