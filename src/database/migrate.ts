import type { Client } from 'pg';
import { grantTo } from './grants.ts';
import type { Migrated, MigrateOptions } from './options.ts';
import { queryOn } from './query.ts';
import { rollBack } from './rollback.ts';
import { becomeOnlyOne, explained, openSession } from './session.ts';
import { upgrade } from './upgrade.ts';

/**
 * Brings the database to the schema of this release. An empty database gets Trove's tables; Trove's own database gets only the missing
 * parts. Several runs at once take turns. A second run changes nothing.
 *
 * A rollback removes the added tables, but keeps and names each table that holds a row. So the messages in dead_letters and deferred
 * survive it. It removes Trove's tables, if we created them, only if all are empty.
 *
 * Fails with ConfigError if the operator has to decide or to grant something, and with NotConnected if the database cannot be reached
 * or another session keeps a table locked.
 */
export async function migrate(options: MigrateOptions): Promise<Migrated> {
  const client = await openSession(options, 'migrate');
  try {
    if (!options.dryRun) await becomeOnlyOne(queryOn(client), options.log);
    const { dryRun, rollback, grantTo: role } = options;
    const done = await (rollback ? rollBack(client, options) : upgrade(client, options));
    const granted = role === undefined || rollback ? [] : await grant(client, options, role);
    return { dryRun, rollback, kept: [], ...done, granted };
  } catch (error) {
    throw explained(error);
  } finally {
    await client.end();
  }
}

async function grant(client: Client, options: MigrateOptions, role: string): Promise<string[]> {
  const statements = await grantTo(queryOn(client), role, options);
  options.log(options.dryRun ? 'This would be granted:' : 'Granted:');
  for (const statement of statements) options.log(`${statement};`);
  return statements;
}
