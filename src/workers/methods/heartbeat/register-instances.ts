import { utcNow } from '../../postgres/expressions.ts';
import type { Db } from '../../postgres/transaction.ts';

const text = `
INSERT INTO instances (id, name, created, updated, deleted)
SELECT id, id, ${utcNow}, ${utcNow}, false
FROM unnest($1::text[]) AS input(id)
WHERE NOT EXISTS (SELECT FROM instances WHERE instances.id = input.id)
ORDER BY id
ON CONFLICT (id) DO NOTHING`;

/** Inserts the instances that the database does not know. */
export async function registerInstances(db: Db, ids: ReadonlyArray<string>): Promise<void> {
  await db.query('register-instances', text, [ids]);
}
