import type { Db } from '../../postgres/transaction.ts';
import type { CallIdentity } from './claim-call.ts';

const text = 'UPDATE call_results SET result = $3 WHERE principal = $1 AND message_id = $2';

/** Stores the result of a call that this transaction has claimed. */
export async function keepResult(
  db: Db,
  { principal, messageId }: CallIdentity,
  result: string,
): Promise<void> {
  await db.query('keep-result', text, [principal, messageId, result]);
}
