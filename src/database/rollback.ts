import type { Client } from 'pg';
import { ConfigError } from '../core/errors.ts';
import { defaultJobsSchema, dropJobsSchema } from './jobs-schema.ts';
import { createsTroveTables, migrationFiles, migrationsRun, runMigrations } from './ledger.ts';
import type { MigrateOptions } from './options.ts';
import { checkPrivileges } from './privileges.ts';
import { type Query, queryOn } from './query.ts';
import { existingTables, guardedTables, ownTables, troveTables } from './schema.ts';

/** Reverses all migration files that have run in the database, newest first. */
export async function rollBack(client: Client, options: MigrateOptions): Promise<void> {
  const query = queryOn(client);
  const ran = await migrationsRun(query);
  if (ran.length === 0) return options.log('There is nothing to roll back: this database was not migrated.');

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
  for (const { name, down } of files.toReversed()) if (ran.includes(name)) options.log(`${name}: ${down}`);
  options.log(
    `Drops the tables of pg-boss in the schema ${jobsSchema}, and the schema if nothing else is in it.`,
  );
  for (const line of await kept(query, createdTroves)) options.log(line);
  if (options.dryRun) return;

  await dropJobsSchema(client, jobsSchema);
  await runMigrations(client, schema, 'down', !createdTroves);
  options.log('The database is rolled back.');
}

/** Names the tables that hold rows and so stay, and says how to remove them. */
async function kept(query: Query, createdTroves: boolean): Promise<string[]> {
  const lines: string[] = [];
  for (const table of await holdingRows(query, ownTables)) {
    lines.push(`Kept: ${table}, which holds rows. If nobody needs them: DROP TABLE ${table};`);
  }
  const troves = createdTroves ? await holdingRows(query, troveTables) : [];
  if (troves.length > 0) {
    lines.push(
      `Kept: ${troveTables.join(', ')}, for rows are in ${troves.join(', ')}. If nobody needs them: ` +
        `DROP TABLE ${troveTables.join(', ')};`,
    );
  }
  return lines;
}

async function holdingRows(query: Query, tables: readonly string[]): Promise<string[]> {
  const holding: string[] = [];
  for (const table of await existingTables(query, tables)) {
    // The names are our own constants; an identifier cannot be a parameter.
    if ((await query(`SELECT FROM ${table} LIMIT 1`)).length > 0) holding.push(table);
  }
  return holding;
}
