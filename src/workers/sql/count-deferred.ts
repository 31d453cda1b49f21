import type { Db } from '../db.ts';

const text = 'SELECT count(*)::integer AS count FROM (SELECT FROM deferred LIMIT $1) AS counted';

/** How many messages are deferred, counted up to `most`. */
export async function countDeferred(db: Db, most: number): Promise<number> {
  const [row] = await db.query<{ count: number }>('count-deferred', text, [most]);
  return row?.count ?? 0;
}
