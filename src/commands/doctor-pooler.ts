import type pg from 'pg';
import type { Config } from '../core/config/load.ts';
import { messageOf } from '../core/errors.ts';
import { openSession } from '../database/session.ts';
import { type Finding, ok, warning, wrong } from './doctor-check.ts';

/** Finds out whether a pooler, such as PgBouncer, stands in front of Postgres, and in which mode. */
export async function checkPooler(
  client: pg.Client,
  { database }: Pick<Config, 'database'>,
): Promise<Finding[]> {
  if ((await backendOf(client)) === processIdOf(client))
    return [ok('no pooler is in between, or one in session mode')];
  try {
    await client.query('BEGIN');
    await client.query('COMMIT');
  } catch (error) {
    return [
      wrong(
        'database-pooler',
        `the pooler allows no transactions (${messageOf(error)}): set pool_mode = transaction`,
      ),
    ];
  }
  if (!(await mayMove(client, database))) return [ok('a pooler in session mode is in between')];
  if (!database.preparedStatements) return [ok('a pooler in transaction mode is in between')];
  return [
    warning(
      'database-pooler',
      'a pooler in transaction mode is in between, which may forget prepared statements: set database.preparedStatements: false, or max_prepared_statements of PgBouncer 1.21 or later',
    ),
  ];
}

/** Whether a second transaction of the same client gets another connection, while another client keeps the first one. */
async function mayMove(client: pg.Client, database: Config['database']): Promise<boolean> {
  const other = await openSession(database, 'look', 'conductor doctor');
  try {
    for (let round = 0; round < 4; round += 1) {
      const before = await backendOf(client);
      await other.query('BEGIN');
      const taken = await backendOf(other);
      const after = await backendOf(client);
      await other.query('COMMIT');
      if (before !== after || taken === before) return true;
    }
    return false;
  } finally {
    await other.end();
  }
}

async function backendOf(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid;
}

/** The process id that the other side gave at the start; a pooler invents one. The types of pg lack it. */
function processIdOf(client: pg.Client): unknown {
  return 'processID' in client ? client.processID : undefined;
}
