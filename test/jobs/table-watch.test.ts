import test from 'ava';
import { isObject } from '../../src/core/json.ts';
import { countTables, countTablesText, exactRows } from '../../src/jobs/sql/count-tables.ts';
import { createDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { openContext } from '../support/worker.ts';

const withDatabase = needs(test, 'postgres');

const fill = `
  INSERT INTO dead_letters (transport, reason, body_size, body_digest)
    SELECT 'a', 'not_json', 0, '' FROM generate_series(1, 30000);
  INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at)
    SELECT 'heartbeat', i, i, 'a', '{}', 'unknown', now() FROM generate_series(1, 30000) AS i;
  INSERT INTO notification_outbox (transport, topic, message_id, body)
    SELECT 'a', 't', i, '' FROM generate_series(1, 30000) AS i`;

withDatabase(
  'the count of the tables reads at most 1000 entries of an index for each, however many rows there are',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await database.query(fill);
    await database.query('VACUUM ANALYZE');
    const [row] = await database.query<{ 'QUERY PLAN': unknown }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${countTablesText}`,
    );
    const scans = nodesOf(row).filter(
      ({ 'Relation Name': name }) => typeof name === 'string' && !name.startsWith('pg_'),
    );
    t.true(scans.length >= 5);
    for (const { 'Node Type': type, 'Relation Name': name, 'Actual Rows': rows } of scans) {
      t.regex(String(type), /Index/, String(name));
      t.true(Number(rows) <= exactRows, `${name}: ${rows}`);
    }
  },
);

/** All nodes of a plan. */
function nodesOf(value: unknown): Record<string, unknown>[] {
  if (Array.isArray(value)) return value.flatMap(nodesOf);
  if (!isObject(value)) return [];
  return [value, ...Object.values(value).flatMap(nodesOf)];
}

withDatabase('few rows are counted, and many are estimated', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const jobs = jobsDatabaseOf(openContext(t, database));
  const none = await jobs.transaction(countTables);
  t.deepEqual(Object.values(none.rows), [0, 0, 0, 0, 0, 0]);
  t.deepEqual([none.deferredOverdue, none.outboxAge], [0, 0]);
  await database.query(fill);
  await database.query('ANALYZE');
  await database.query(
    "DELETE FROM notification_outbox WHERE message_id::integer > 7; UPDATE notification_outbox SET created_at = now() - interval '1 hour' WHERE message_id = '1'",
  );
  const { rows, outboxAge } = await jobs.transaction(countTables);
  t.is(rows.notification_outbox, 7);
  t.true(rows.dead_letters > 15_000 && rows.dead_letters <= 60_000, `${rows.dead_letters}`);
  t.true(outboxAge > 3500);
});
