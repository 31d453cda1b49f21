import { positiveInteger, positiveIntegerUpTo } from './formats.ts';

/** Notifications, and the table in which they wait. */
export const notificationSections = {
  outbox: {
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
  },
  notifications: {
    topic: {
      doc: "The topic for notifications from guests. The conductor adds `.info`, as oslo.messaging does. Trove's topic is `notifications`. Empty: notifications are not published.",
      default: '',
    },
    publisherHost: {
      doc: "The host in a notification's `publisher_id`, which is `<server type>.<host>`. In Trove it is the option `host`. Empty: the replica's name.",
      default: '',
    },
  },
};
