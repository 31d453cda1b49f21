import type { Config } from '../core/config/load.ts';
import { ConfigError } from '../core/errors.ts';
import { type Query, queryOn } from '../database/query.ts';
import { laterColumns, missingColumns } from '../database/schema.ts';
import type { CommandLine } from './command-line.ts';

/** Runs `work` on a connection to the configured database. Fails with ConfigError if the table is not as this release needs it. */
export async function withTable(
  line: CommandLine,
  file: string,
  table: string,
  work: (query: Query, config: Config) => Promise<void>,
): Promise<void> {
  const config = await line.load(file);
  // Loaded here: the other commands need no client of Postgres.
  const { openSession } = await import('../database/session.ts');
  const client = await openSession(config.database, 'look', 'conductor command');
  try {
    const query = queryOn(client);
    const missing = await missingColumns(query, [table], laterColumns);
    if (missing.length > 0)
      throw new ConfigError(
        `the database lacks the ${missing.join(', ')}: run conductor migrate with this configuration`,
      );
    await work(query, config);
  } finally {
    await client.end();
  }
}
