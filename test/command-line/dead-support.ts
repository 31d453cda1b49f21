import type { TestDatabase } from '../support/database.ts';
import { configuration } from './support.ts';

/** Six dead letters with the numbers 1 to 6, the first the oldest. The last two cannot be redriven as they are. */
export async function someLetters(database: TestDatabase): Promise<void> {
  await database.query(`
    INSERT INTO dead_letters
      (died_at, transport, reason, detail, method, instance_id, message_id, sender, body, body_size, body_digest, is_call)
    SELECT now() - age::interval, transport, reason, detail, method, instance, message, sender, convert_to(body, 'UTF8'),
      size, sha256(convert_to(body, 'UTF8')), is_call
    FROM (VALUES
      (1, '5 days', 'edge', 'bad_argument', 'sent is a string', 'heartbeat', 'i1', 'm1', 'i1', '{"n":1}', 7, false),
      (2, '3 hours', 'edge', 'refused', 'Column x IS missing', 'heartbeat', 'i2', 'm2', 'i2', '{"n":2}', 7, false),
      (3, '2 hours', 'rabbit', 'refused', E'a\\u001b[2Jb', 'update_backup', 'i1', NULL, NULL, '{"n":3}', 7, false),
      (4, '1 minute', 'rabbit', 'not_json', NULL, NULL, NULL, NULL, NULL, '{"n":', 5, false),
      (5, '1 minute', 'rabbit', 'too_large', NULL, NULL, NULL, NULL, NULL, '{"n":5', 9999999, false),
      (6, '1 minute', 'edge', 'forbidden', NULL, 'ping', NULL, NULL, 'mallory', '{"n":6}', 7, true)
    ) AS rows(n, age, transport, reason, detail, method, instance, message, sender, body, size, is_call)
    ORDER BY n`);
}

/** A configuration with this database. */
export function fileOf({ url }: TestDatabase): string {
  return configuration(`database: { url: "${url}" }`);
}

/** The numbers of the letters in this state. */
export async function lettersWhere(database: TestDatabase, condition: string): Promise<number[]> {
  const rows = await database.query<{ id: number }>(
    `SELECT id::integer AS id FROM dead_letters WHERE ${condition} ORDER BY id`,
  );
  return rows.map(({ id }) => id);
}
