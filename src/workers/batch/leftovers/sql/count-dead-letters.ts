import type { Db } from '../../../postgres/transaction.ts';
import type { Counted } from '../flood.ts';

/**
 * A row counts for an hour. A row that another transaction has locked is not waited for: then a further one is made. So a flood
 * never delays a batch, and no lock is waited for out of order.
 */
const text = `
WITH input AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[])
    AS input(transport, reason, sender, instance_id, count)
), found AS MATERIALIZED (
  SELECT input.*, earlier.id
  FROM input LEFT JOIN LATERAL (
    SELECT id FROM dead_letters
    WHERE counted IS NOT NULL AND transport = input.transport AND reason = input.reason
      AND sender IS NOT DISTINCT FROM input.sender AND instance_id IS NOT DISTINCT FROM input.instance_id
      AND died_at > now() - interval '1 hour'
    ORDER BY id DESC LIMIT 1
    FOR UPDATE SKIP LOCKED
  ) AS earlier ON true
), added AS (
  UPDATE dead_letters SET counted = counted + found.count FROM found WHERE dead_letters.id = found.id
)
INSERT INTO dead_letters (transport, reason, sender, instance_id, counted, body_size, body_digest)
SELECT transport, reason, sender, instance_id, count, 0, '' FROM found WHERE id IS NULL`;

/** Counts dead letters that are not kept. */
export async function countDeadLetters(db: Db, counted: ReadonlyArray<Counted>): Promise<void> {
  await db.query('count-dead-letters', text, [
    counted.map(({ transport }) => transport),
    counted.map(({ reason }) => reason),
    counted.map(({ sender }) => sender),
    counted.map(({ instanceId }) => instanceId),
    counted.map(({ count }) => count),
  ]);
}
