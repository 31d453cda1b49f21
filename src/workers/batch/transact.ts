import type { Outcome } from '../../core/message/outcome.ts';
import { writeMarker } from '../postgres/sql/write-marker.ts';
import { type Db, inTransaction } from '../postgres/transaction.ts';
import { type Cause, causeOf, explain } from './blame.ts';
import type { Resolved } from './leftovers/record.ts';
import type { Run } from './run.ts';

/** A transaction that failed. Nothing of it has been committed. */
export class TransactionFailed extends Error {
  override readonly name = 'TransactionFailed';
  readonly error: unknown;
  readonly blame: Cause;

  constructor(error: unknown, blame: Cause) {
    super(explain(error), { cause: error });
    this.error = error;
    this.blame = blame;
  }
}

/** Runs one transaction. The outcomes of `resolve` count only after the commit. Throws TransactionFailed. */
export async function transact(
  { pool, settings, hooks, committed, storm, log }: Run,
  lockTimeout: number,
  resolve: (db: Db) => Promise<ReadonlyArray<Resolved>>,
): Promise<void> {
  const { preparedStatements } = settings.database;
  let isInside = false;
  try {
    const resolved = await inTransaction(pool, { lockTimeout, preparedStatements, log }, async (db) => {
      isInside = true;
      const all = await resolve(db);
      await hooks.finish(db, all);
      if (all.every(({ outcome }) => findsItsWorkDone(outcome))) await writeMarker(db);
      isInside = false;
      return all;
    });
    committed.push(resolved);
    storm.commits(resolved.length);
  } catch (error) {
    throw new TransactionFailed(error, causeOf(error, isInside));
  }
}

/** Whether the message has relied on what earlier transactions have written. */
function findsItsWorkDone({ kind }: Outcome): boolean {
  return kind === 'duplicate' || kind === 'stale';
}
