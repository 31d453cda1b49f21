import { fullJitter, pause } from '../core/backoff.ts';
import type { Access } from '../core/config/access.ts';
import type { Config } from '../core/config/load.ts';
import { ConfigError, errorCodeOf, messageOf, NotConnected } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { Outage } from '../core/quiet-log.ts';
import { type Query, queryOn } from '../database/query.ts';
import { missingFromSchema } from '../database/schema.ts';
import { openSession } from '../database/session.ts';
import { missingFromModels } from '../workers/methods/models/check.ts';

/**
 * Waits until the database is there. Rejects with ConfigError if it has to be migrated first.
 *
 * @param admit a further check. It rejects with ConfigError if the database may not be used.
 */
export async function awaitDatabase(
  { database, reconnect, access }: Config,
  logger: Logger,
  admit: (query: Query) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const outage = new Outage();
  for (let failures = 0; ; failures += 1) {
    try {
      await checkSchema(database, access, admit);
      return;
    } catch (error) {
      if (!(error instanceof NotConnected) || signal?.aborted) throw error;
      const delay = fullJitter(failures, reconnect);
      const text = messageOf(error);
      logger[outage.fail(text) ? 'error' : 'debug'](
        { code: errorCodeOf(error), error: text, retryInMs: Math.round(delay) },
        'waiting for the database',
      );
      await pause(delay, signal);
    }
  }
}

/** Rejects with ConfigError if the database or the models are not as they have to be, with NotConnected if it is away. */
export async function checkSchema(
  database: Config['database'],
  access: Access,
  admit: (query: Query) => Promise<void>,
): Promise<void> {
  const client = await openSession(database, 'look');
  try {
    const query = queryOn(client);
    const missing = await missingFromSchema(query);
    if (missing.length > 0) {
      throw new ConfigError(
        `the database lacks ${missing.join(', ')}: run \`conductor migrate\` with this configuration`,
        { code: 'database-schema' },
      );
    }
    const problem = await missingFromModels({ query: (_, text, values) => query(text, [...values]) }, access);
    if (problem !== undefined) throw new ConfigError(problem, { code: 'database-schema' });
    await admit(query);
  } finally {
    await client.end();
  }
}
