import type { MigrateOptions } from './options.ts';
import { queryOn } from './query.ts';
import { rollBack } from './rollback.ts';
import { becomeOnlyOne, explained, openSession } from './session.ts';
import { upgrade } from './upgrade.ts';

/**
 * Brings the database to what this version of the conductor needs: on an empty one Trove's tables are created, on
 * Trove's own only what is needed is added. Several at once take turns. A second run changes nothing.
 *
 * A rollback removes the added tables by one rule: it keeps and names a table that holds a row. So the messages in
 * dead_letters and deferred outlive it, and Trove's tables, where this created them, go only if all are empty.
 *
 * Fails with ConfigError where the operator has to decide or to grant something, with NotConnected where the database
 * cannot be reached or another session keeps a table locked.
 */
export async function migrate(options: MigrateOptions): Promise<void> {
  const client = await openSession(options, 'migrate');
  try {
    if (!options.dryRun) await becomeOnlyOne(queryOn(client), options.log);
    await (options.rollback ? rollBack(client, options) : upgrade(client, options));
  } catch (error) {
    throw explained(error);
  } finally {
    await client.end();
  }
}
