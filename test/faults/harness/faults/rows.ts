/** Faults of tables and rows: what other sessions do to them. */
import { lockWith } from '../../databases.ts';
import { busyInstances, instanceId } from '../messages.ts';
import type { Fault, World } from '../world.ts';

/** Each takes a lock on the whole table, or changes what prepared statements know of it. */
const changes = [
  'ALTER TABLE service_statuses ADD COLUMN harness text DEFAULT repeat(chr(120), 8); ALTER TABLE service_statuses DROP COLUMN harness',
  'ALTER TABLE service_statuses ALTER COLUMN status_description TYPE varchar(65); ALTER TABLE service_statuses ALTER COLUMN status_description TYPE varchar(64)',
  'ALTER TABLE instances ADD COLUMN harness integer; ALTER TABLE instances DROP COLUMN harness',
  'CREATE INDEX harness ON service_statuses (status_id); DROP INDEX harness',
  'REINDEX TABLE service_statuses',
  'LOCK TABLE instances IN ACCESS EXCLUSIVE MODE',
  'ALTER TABLE dead_letters ADD COLUMN harness integer; ALTER TABLE dead_letters DROP COLUMN harness',
];

export const rowFaults: ReadonlyArray<Fault> = [
  lockOf(1),
  lockOf(100),
  {
    name: 'ddl',
    lasts: [0, 2500],
    run: async (world, lasts, random) => {
      const change = random.pick(changes);
      await inTransaction(world, change, lasts);
      return change;
    },
  },
  {
    name: 'jobs-locked',
    lasts: [500, 4000],
    run: async (world, lasts) => {
      const tables = await world.database.query<{ name: string }>(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'conductor_jobs'",
      );
      await inTransaction(
        world,
        `LOCK TABLE ${tables.map(({ name }) => name)} IN ACCESS EXCLUSIVE MODE`,
        lasts,
      );
      return `all ${tables.length} tables of pg-boss`;
    },
  },
];

function lockOf(rows: number): Fault {
  return {
    name: `lock-${rows}`,
    lasts: [1000, 8000],
    run: async (world, lasts, random) => {
      const ids = new Set<string>();
      while (ids.size < rows) ids.add(instanceId('busy', random.between(0, busyInstances - 1)));
      await locked(world, [...ids], lasts);
      return `FOR UPDATE of ${rows} rows`;
    },
  };
}

async function locked(world: World, ids: ReadonlyArray<string>, lasts: number): Promise<void> {
  const text = 'SELECT FROM service_statuses WHERE instance_id = ANY($1) ORDER BY instance_id FOR UPDATE';
  const transaction = await lockWith({ teardown: () => {} }, world.database, text, [ids]);
  try {
    await world.sleep(lasts);
  } finally {
    await transaction.release();
  }
}

/** Holds the locks of the statements for so many milliseconds more, then commits. */
async function inTransaction(world: World, statements: string, lasts: number): Promise<void> {
  await world.database.query(`BEGIN; ${statements}; SELECT pg_sleep(${lasts / 1000}); COMMIT`);
}
