import type { ClaimedNotification, PublishedNotifications } from '../core/message/notification.ts';
import { cleanText } from './batch/leftovers/letter.ts';
import { claimNotifications } from './batch/outbox/sql/claim-notifications.ts';
import { deleteNotifications } from './batch/outbox/sql/delete-notifications.ts';
import { postponeNotifications } from './batch/outbox/sql/postpone-notifications.ts';
import { releaseNotifications } from './batch/outbox/sql/release-notifications.ts';
import type { ThreadState } from './batch/thread-state.ts';
import { type Db, inTransaction } from './postgres/transaction.ts';

/** Characters of an error that are kept. */
const keptError = 500;

/** Claims notifications that are due. Rejects if the database cannot be reached. */
export function claimOutbox(state: ThreadState, transport: string): Promise<ClaimedNotification[]> {
  return inOutbox(state, (db) => claimNotifications(db, transport));
}

/** Stores what became of claimed notifications. Rejects if the database cannot be reached; then they are published again. */
export function settleOutbox(
  state: ThreadState,
  { published, failed, released }: PublishedNotifications,
): Promise<void> {
  return inOutbox(state, async (db) => {
    if (published.length > 0) await deleteNotifications(db, published);
    const told = failed.map(({ row, error }) => ({ row, error: cleanText(error, keptError) ?? '' }));
    if (told.length > 0) await postponeNotifications(db, told);
    if (released.length > 0) await releaseNotifications(db, released);
  });
}

/** If Postgres crashes and loses such a commit, a notification is published twice. So no commit waits for the disk. */
function inOutbox<Result>(
  { pool, settings }: ThreadState,
  work: (db: Db) => Promise<Result>,
): Promise<Result> {
  const { preparedStatements } = settings.database;
  return inTransaction(pool, { preparedStatements }, async (db) => {
    await db.query('', 'SET LOCAL synchronous_commit = off', []);
    return work(db);
  });
}
