import type { Db } from '../../../postgres/transaction.ts';

const text = `
SELECT count(*)::integer AS count
FROM (SELECT FROM deferred WHERE NOT (method = $2 AND key = ANY($3::text[])) LIMIT $1) AS counted`;

/** Counts the deferred messages about other keys, up to `most`. */
export async function countOtherDeferred(
  db: Db,
  method: string,
  keys: ReadonlyArray<string>,
  most: number,
): Promise<number> {
  const [row] = await db.query<{ count: number }>('count-other-deferred', text, [most, method, keys]);
  return row?.count ?? 0;
}
