import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type { Client } from 'pg';
import type { Query } from './query.ts';

/** The table in which node-pg-migrate records the files that it has run. */
const ledgerTable = 'conductor_migrations';

/** This file runs only in a database without Trove's tables. Its name in the ledger says that we created them. */
export const createsTroveTables = '0001_trove-tables';

/** Beside both src/ and dist/, in the repository and in the published package. */
const folder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** A migration file's name, and its two leading comments. They tell the operator what its two halves do. */
interface MigrationFile {
  readonly name: string;
  readonly up: string;
  readonly down: string;
}

/** The migration files, from the first to the last. */
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

/** The names of the files that have run in this database, from the first to the last. */
export async function migrationsRun(query: Query): Promise<string[]> {
  const [ledger] = await query<{ exists: boolean }>('SELECT to_regclass($1) IS NOT NULL AS exists', [
    ledgerTable,
  ]);
  if (!ledger?.exists) return [];
  const rows = await query<{ name: string }>(`SELECT name FROM ${ledgerTable} ORDER BY id`);
  return rows.map((row) => row.name);
}

/**
 * Runs all files that have not run in this database (`up`), or reverses all that have (`down`), in one transaction. The caller holds
 * the lock.
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
    // The library's lock fails at once, or waits inside a statement whose snapshot would block a concurrent index build.
    noLock: true,
    // Its log is dropped: the error that it throws has the same text.
    log: () => {},
  });
  if (direction === 'down') await client.query(`DROP TABLE ${ledgerTable}`);
}
