import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type { Client } from 'pg';
import type { Query } from './query.ts';

/** Where node-pg-migrate keeps which files it has run. */
const ledgerTable = 'conductor_migrations';

/** The file that is run only where Trove's tables are not: its name in the ledger says that we created them. */
export const createsTroveTables = '0001_trove-tables';

/** Beside src/ and dist/ alike, in the repository and in the published package. */
const folder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** A migration file's name and, in words for the operator, what its two halves do: their leading comments. */
interface MigrationFile {
  readonly name: string;
  readonly up: string;
  readonly down: string;
}

/** The migration files, first to last. */
export async function migrationFiles(): Promise<MigrationFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (file) => {
      const sql = await readFile(`${folder}/${file}`, 'utf8');
      return {
        name: basename(file, '.sql'),
        up: leadingComment(sql, 'Up'),
        down: leadingComment(sql, 'Down'),
      };
    }),
  );
}

function leadingComment(sql: string, direction: 'Up' | 'Down'): string {
  const comment = new RegExp(`^-- ${direction} Migration\\n((?:-- .*\\n)+)`, 'm').exec(sql)?.[1] ?? '';
  return comment.replaceAll(/^-- /gm, '').replaceAll('\n', ' ').trim();
}

/** The names of the files that this database has had, first to last. */
export async function migrationsRun(query: Query): Promise<string[]> {
  const [ledger] = await query<{ exists: boolean }>('SELECT to_regclass($1) IS NOT NULL AS exists', [
    ledgerTable,
  ]);
  if (!ledger?.exists) return [];
  const rows = await query<{ name: string }>(`SELECT name FROM ${ledgerTable} ORDER BY id`);
  return rows.map((row) => row.name);
}

/**
 * Runs every file that this database has not had (`up`), or reverses every one that it has (`down`), all in one
 * transaction. The caller holds the lock.
 */
export async function runMigrations(
  client: Client,
  schema: string,
  direction: 'up' | 'down',
  skipTroveTables: boolean,
): Promise<void> {
  await runner({
    dbClient: client,
    dir: folder,
    ignorePattern: skipTroveTables ? `(\\..*|${createsTroveTables}\\.sql)` : '\\..*',
    migrationsTable: ledgerTable,
    migrationsSchema: schema,
    direction,
    count: Number.POSITIVE_INFINITY,
    singleTransaction: true,
    // Its lock either fails at once or waits inside a statement, whose snapshot a concurrent index build would wait for.
    noLock: true,
    // Its log is dropped, because the error that it throws has the same text.
    log: () => {},
  });
  if (direction === 'down') await client.query(`DROP TABLE ${ledgerTable}`);
}
