import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { runner } from 'node-pg-migrate';
import { migrationFiles } from '../../src/database/ledger.ts';
import { missingFromSchema } from '../../src/database/schema.ts';
import type { TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { catalog, emptyDatabase, run } from './support.ts';

/** The names of the files in migrations/, by which the ledger of each database knows them. */

const test = needs(ava, 'postgres');

/** These two have one number. Databases have run them under these names (docs/architecture.md, "Names of migrations"). */
const twice = ['0009_replicas', '0009_transitions-published'];

const names = async () => (await migrationFiles()).map(({ name }) => name);

/** The names in the ledger, in the order in which the files have run. */
async function ledgerOf({ query }: TestDatabase): Promise<string[]> {
  const rows = await query<{ name: string }>('SELECT name FROM conductor_migrations ORDER BY id');
  return rows.map(({ name }) => name);
}

/** Runs the first files only, as an older release has done. The times in the ledger are UTC, and the library orders its rows by them. */
async function runFirst({ url }: TestDatabase, count: number): Promise<void> {
  await runner({
    databaseUrl: { connectionString: url, options: '-c TimeZone=UTC' },
    dir: fileURLToPath(new URL('../../migrations', import.meta.url)),
    migrationsTable: 'conductor_migrations',
    direction: 'up',
    count,
    singleTransaction: true,
    log: () => {},
  });
}

ava('each migration has a number of its own, and none is left out: take the next one', async (t) => {
  const all = await names();
  t.deepEqual(
    all.filter((name) => twice.includes(name)),
    twice,
  );
  const numbers = all.filter((name) => name !== twice[1]).map((name) => /^(\d{4})_[a-z-]+$/.exec(name)?.[1]);
  t.deepEqual(
    numbers,
    numbers.map((_, index) => String(index + 1).padStart(4, '0')),
    all.join(', '),
  );
});

test('the files run in the order of their names', async (t) => {
  const database = await emptyDatabase(t);
  await run(database);
  t.deepEqual(await ledgerOf(database), await names());
});

for (const [what, last] of [
  ['before both files with the number 9', '0008_status-transitions'],
  ['between the two files with the number 9', '0009_replicas'],
  ['behind both files with the number 9', '0009_transitions-published'],
] as const)
  test(`a database that an older release has migrated to a place ${what} is upgraded`, async (t) => {
    const [database, fresh] = [await emptyDatabase(t), await emptyDatabase(t)];
    const all = await names();
    await runFirst(database, all.indexOf(last) + 1);
    t.is((await ledgerOf(database)).at(-1), last);
    await run(database);
    await run(fresh);
    t.deepEqual(await ledgerOf(database), all);
    t.deepEqual(await missingFromSchema(database.query), []);
    t.deepEqual(await catalog(database), await catalog(fresh));
    t.regex(await run(database, { rollback: true }), /The database is rolled back\.$/);
  });

test('a file under another name stops the upgrade of a database that has run it, so none may be renamed', async (t) => {
  const database = await emptyDatabase(t);
  await run(database);
  // As if the file of this name had been renamed since.
  await database.query(
    "UPDATE conductor_migrations SET name = '0009_published' WHERE name = '0009_transitions-published'",
  );
  await t.throwsAsync(run(database), {
    message: 'Not run migration 0009_transitions-published is preceding already run migration 0009_published',
  });
});
