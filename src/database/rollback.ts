import type { Client } from 'pg';
import { ConfigError } from '../core/errors.ts';
import { defaultJobsSchema, dropJobsSchema } from './jobs-schema.ts';
import { createsTroveTables, migrationFiles, migrationsRun, runMigrations } from './ledger.ts';
import type { Migrated, MigrateOptions } from './options.ts';
import { checkPrivileges } from './privileges.ts';
import { type Query, queryOn } from './query.ts';
import { existingTables, guardedTables, ownTables, troveTables } from './schema.ts';

/** Reverses all migration files that have run in the database, newest first. */
export async function rollBack(
  client: Client,
  options: MigrateOptions,
): Promise<Pick<Migrated, 'steps' | 'kept'>> {
  const query = queryOn(client);
  const ran = await migrationsRun(query);
  if (ran.length === 0) {
    options.log('There is nothing to roll back: this database was not migrated.');
    return { steps: [], kept: [] };
  }

  const files = await migrationFiles();
  const unknown = ran.filter((name) => !files.some((file) => file.name === name));
  if (unknown.length > 0) {
    throw new ConfigError(
      `A newer version of the conductor has migrated this database (${unknown.join(', ')}): roll back with that version.`,
      { code: 'database-schema' },
    );
  }
  const createdTroves = ran.includes(createsTroveTables);
  const { jobsSchema = defaultJobsSchema } = options;
  const altered = [...(createdTroves ? troveTables : guardedTables), ...ownTables];
  const schema = await checkPrivileges(query, altered, []);

  options.log(options.dryRun ? 'This would be done; nothing is changed now:' : 'Rolling back:');
  const reversed = files
    .toReversed()
    .filter(({ name }) => ran.includes(name))
    .map(({ name, down }) => ({ name, text: down }));
  for (const { name, text } of reversed) options.log(`${name}: ${text}`);
  const jobs = {
    name: 'jobs-schema',
    text: `Drops the tables of pg-boss in the schema ${jobsSchema}, and the schema if nothing else is in it.`,
  };
  options.log(jobs.text);
  const keeping = await kept(query, createdTroves);
  for (const { line } of keeping) options.log(line);
  const done = { steps: [...reversed, jobs], kept: keeping.flatMap(({ tables }) => tables) };
  if (options.dryRun) return done;

  await dropJobsSchema(client, jobsSchema);
  await runMigrations(client, schema, 'down', !createdTroves);
  options.log('The database is rolled back.');
  return done;
}

/** The tables that stay, because they or others beside them hold rows, and lines that say how to remove them. */
async function kept(query: Query, createdTroves: boolean): Promise<{ tables: string[]; line: string }[]> {
  const keeping = (await holdingRows(query, ownTables)).map((table) => ({
    tables: [table],
    line: `Kept: ${table}, which holds rows. If nobody needs them: DROP TABLE ${table};`,
  }));
  const troves = createdTroves ? await holdingRows(query, troveTables) : [];
  if (troves.length === 0) return keeping;
  const names = troveTables.join(', ');
  const line = `Kept: ${names}, for rows are in ${troves.join(', ')}. If nobody needs them: DROP TABLE ${names};`;
  return [...keeping, { tables: [...troveTables], line }];
}

async function holdingRows(query: Query, tables: readonly string[]): Promise<string[]> {
  const holding: string[] = [];
  for (const table of await existingTables(query, tables)) {
    // The names are our own constants; an identifier cannot be a parameter.
    if ((await query(`SELECT FROM ${table} LIMIT 1`)).length > 0) holding.push(table);
  }
  return holding;
}
