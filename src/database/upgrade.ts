import type { Client } from 'pg';
import { ConfigError } from '../core/errors.ts';
import {
  defaultJobsSchema,
  jobsPrivilegesLacking,
  jobsSchemaPlan,
  jobsSchemaState,
  migrateJobsSchema,
} from './jobs-schema.ts';
import { createsTroveTables, migrationFiles, migrationsRun, runMigrations } from './ledger.ts';
import type { Migrated, MigrateOptions, MigrationStep } from './options.ts';
import { checkPrivileges } from './privileges.ts';
import { type Query, queryOn } from './query.ts';
import {
  existingTables,
  guardedTables,
  missingColumns,
  missingFromSchema,
  ownTables,
  troveTables,
} from './schema.ts';
import {
  buildStatusIndex,
  duplicatesError,
  findDuplicates,
  hasUniqueStatusIndex,
  removeDuplicates,
} from './status-index.ts';

/** Runs the migration files that have not run in the database, then makes the statuses unique. */
export async function upgrade(client: Client, options: MigrateOptions): Promise<Pick<Migrated, 'steps'>> {
  const query = queryOn(client);
  const ran = await migrationsRun(query);
  const skipTroveTables = ran.length > 0 ? !ran.includes(createsTroveTables) : await isTroves(query);
  const pending = (await migrationFiles()).filter(
    ({ name }) => !ran.includes(name) && !(skipTroveTables && name === createsTroveTables),
  );
  const indexNeeded = !(await hasUniqueStatusIndex(query));
  const { jobsSchema = defaultJobsSchema } = options;
  const jobsState = await jobsSchemaState(client, jobsSchema);
  if (pending.length === 0 && !indexNeeded && jobsState === 'ready') {
    await checkReady(query);
    options.log('The database is up to date.');
    return { steps: [] };
  }

  // All checks that may refuse come before the first change.
  const lacking = jobsState === 'ready' ? [] : await jobsPrivilegesLacking(query, jobsSchema);
  const schema = await checkPrivileges(query, guardedTables, lacking);
  const duplicates = await findDuplicates(query);
  const refused = duplicates.rows > 0 && !options.removeDuplicates;
  if (refused && !options.dryRun) throw duplicatesError(duplicates);

  options.log(options.dryRun ? 'This would be done; nothing is changed now:' : 'Migrating:');
  const files = pending.map(({ name, up }) => ({ name, text: up }));
  for (const { name, text } of files) options.log(`${name}: ${text}`);
  const others: MigrationStep[] = [];
  if (duplicates.rows > 0 && !refused)
    others.push({
      name: 'duplicates',
      text:
        'Deletes all but the newest status of each instance that has several: ' +
        `${duplicates.sample} (rows: ${duplicates.rows}).`,
    });
  if (indexNeeded)
    others.push({
      name: 'status-index',
      text: 'Builds a unique index on service_statuses (instance_id), concurrently: it waits for every transaction that is open now.',
    });
  if (jobsState !== 'ready')
    others.push({ name: 'jobs-schema', text: jobsSchemaPlan(jobsSchema, jobsState) });
  for (const { text } of others) options.log(text);
  if (refused) throw duplicatesError(duplicates);
  const steps = [...files, ...others];
  if (options.dryRun) return { steps };

  if (pending.length > 0) await runMigrations(client, schema, 'up', skipTroveTables);
  if (duplicates.rows > 0) await removeDuplicates(query);
  if (indexNeeded) await buildStatusIndex(query);
  if (jobsState !== 'ready') await migrateJobsSchema(client, jobsSchema, options.log);

  await checkReady(query);
  options.log('The database is ready.');
  return { steps };
}

/** Refuses a database that lacks an object which a migration has added: a further migration cannot know why it was removed. */
async function checkReady(query: Query): Promise<void> {
  const missing = await missingFromSchema(query);
  if (missing.length === 0) return;
  throw new ConfigError(
    `The database was migrated, but somebody has removed: ${missing.join(', ')}. Run conductor migrate --rollback, then ` +
      'conductor migrate.',
    { code: 'database-schema' },
  );
}

/** Whether a database without any migration has Trove's tables. Refuses other tables of the same names. */
async function isTroves(query: Query): Promise<boolean> {
  const existing = await existingTables(query, [...troveTables, ...ownTables]);
  const isTroves = existing.some((table) => troveTables.includes(table));
  const missing = await missingColumns(
    query,
    isTroves ? [...new Set([...troveTables, ...existing])] : existing,
  );
  if (missing.length === 0) return isTroves;
  throw new ConfigError(
    `The database has ${existing.join(', ')}, but lacks: ${missing.join(', ')}. Point database.url at Trove's database after ` +
      'trove-manage db_sync, or at an empty database or schema.',
    { code: 'database-schema' },
  );
}
