import { positiveInteger, positiveIntegerUpTo } from './formats.ts';

/** The bounds of the table notification_outbox. */
export const outboxSchema = {
  maxAge: {
    doc: 'Milliseconds after which a notification that no broker has accepted becomes a dead letter. The default is one day.',
    default: 86_400_000,
    format: positiveIntegerUpTo(100 * 365 * 86_400_000),
  },
  maxRows: {
    doc: 'The most notifications that wait to be published. If there are more, the oldest become dead letters.',
    default: 100_000,
    format: positiveInteger,
  },
};
