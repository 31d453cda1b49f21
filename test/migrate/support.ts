import { readFile } from 'node:fs/promises';
import type { ExecutionContext } from 'ava';
import { migrate } from '../../src/database/migrate.ts';
import type { MigrateOptions } from '../../src/database/options.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

export async function emptyDatabase(t: ExecutionContext): Promise<TestDatabase> {
  return createDatabase(t, { migrated: false });
}

/** A database as Trove 18 leaves it, with a few rows. */
export async function troveDatabase(t: ExecutionContext): Promise<TestDatabase> {
  const database = await emptyDatabase(t);
  for (const name of ['trove-schema', 'trove-rows']) {
    await database.query(await readFile(new URL(`../fixtures/${name}.sql`, import.meta.url), 'utf8'));
  }
  return database;
}

/** Migrates; returns what the operator is told. */
export async function run(database: { url: string }, options: Partial<MigrateOptions> = {}): Promise<string> {
  const lines: string[] = [];
  const given = { dryRun: false, rollback: false, removeDuplicates: false, ...options };
  await migrate({ url: database.url, log: (line) => lines.push(line), ...given });
  return lines.join('\n');
}

/** Gives i-1 two more statuses, one older and one newer than its own, and i-2 one more without a time. */
export async function addDuplicates(database: TestDatabase): Promise<void> {
  await database.query(
    `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at) VALUES
       ('s-1-older', 'i-1', 4, 'shutdown', '2026-01-01 10:00'),
       ('s-1-newer', 'i-1', 6, 'crashed', '2026-01-03 10:00'),
       ('s-2-never', 'i-2', 6, 'crashed', NULL)`,
  );
}

/** Every object of the schema, as Postgres describes it, one a line. */
export async function catalog(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ line: string }>(
    `SELECT format('table %s %s', relname, reloptions) AS line
       FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')
     UNION ALL
     SELECT format('column %s.%s %s %s %s', relname, attname, format_type(atttypid, atttypmod), attnotnull,
                   pg_get_expr(adbin, adrelid))
       FROM pg_attribute
       JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r' AND relnamespace = 'public'::regnamespace
       LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
       WHERE attnum > 0 AND NOT attisdropped
     UNION ALL
     SELECT format('index %s %s', pg_get_indexdef(indexrelid), indisvalid)
       FROM pg_index JOIN pg_class ON pg_class.oid = indrelid AND relnamespace = 'public'::regnamespace
     UNION ALL
     SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid))
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL
     SELECT format('trigger %s', pg_get_triggerdef(pg_trigger.oid))
       FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid AND relnamespace = 'public'::regnamespace
       WHERE NOT tgisinternal
     UNION ALL
     SELECT format('function %s', proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
     ORDER BY line`,
  );
  return rows.map((row) => row.line);
}

/** All rows of the tables, as JSON. */
export async function contents(database: TestDatabase, tables: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const table of tables) {
    const rows = await database.query<{ row: string }>(
      `SELECT '${table} ' || to_jsonb(held)::text AS row FROM ${table} AS held ORDER BY row`,
    );
    lines.push(...rows.map(({ row }) => row));
  }
  return lines;
}

/** The guards of a table by id. */
export async function guards(database: TestDatabase, table: 'service_statuses' | 'backups') {
  const rows = await database.query<{ id: string; sent: number }>(`SELECT id, sent FROM ${table}`);
  return Object.fromEntries(rows.map(({ id, sent }) => [id, sent]));
}
