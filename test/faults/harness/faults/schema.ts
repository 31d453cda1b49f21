/** Faults of the schema, and migrations while messages flow. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configurationOf } from '../../../support/conductor.ts';
import { startProcess } from '../../../support/processes.ts';
import { temporaryDirectory } from '../../../support/temporary.ts';
import { waitFor } from '../../../support/wait.ts';
import type { Fault, World } from '../world.ts';

const main = fileURLToPath(new URL('../../../../src/main.ts', import.meta.url));
/** Milliseconds. */
const patience = 90_000;

/**
 * What the migration of the history of statuses has made, and the ledger's lines from it on: the later migrations may run again. The history
 * begins anew.
 */
const beforeStatusTransitions = `
  BEGIN;
  DROP TRIGGER conductor_record_status ON service_statuses;
  DROP TRIGGER conductor_record_new_status ON service_statuses;
  DROP FUNCTION conductor_record_status();
  DROP TABLE status_transitions;
  DELETE FROM conductor_migrations WHERE name >= '0008_status-transitions';
  COMMIT`;

export const schemaFaults: ReadonlyArray<Fault> = [
  {
    name: 'migrate-again',
    lasts: [0, 0],
    run: async (world) => {
      await migrate(world);
      return 'conductor migrate';
    },
  },
  {
    name: 'migration',
    lasts: [500, 3000],
    run: async (world, lasts) => {
      await world.database.query(beforeStatusTransitions);
      await world.sleep(lasts);
      await migrate(world);
      await waitFor(
        async () => (await world.database.query('SELECT FROM status_transitions LIMIT 1')).length > 0,
        { what: 'the history of statuses to go on', timeout: patience, interval: 100 },
      );
      return 'conductor migrate of a database without the history of statuses';
    },
  },
  {
    name: 'jobs-dropped',
    lasts: [1000, 4000],
    run: async (world, lasts) => {
      const since = Date.now();
      await world.database.query('DROP SCHEMA conductor_jobs CASCADE');
      await world.sleep(lasts);
      await flows(world);
      const { replicas } = world;
      await Promise.all(replicas.map((one) => one.says(/^the jobs wait/, /run conductor migrate/, since)));
      await migrate(world);
      await Promise.all(replicas.map((one) => one.says(/^the jobs run again/, /./, since)));
      return 'the schema of pg-boss is dropped, then conductor migrate';
    },
  },
];

async function migrate({ database }: World): Promise<void> {
  const file = join(temporaryDirectory('migrate'), 'conductor.yaml');
  writeFileSync(file, configurationOf({ database: database.url, transports: {} }));
  const env = { PATH: process.env.PATH };
  const run = startProcess(process.execPath, [main, 'migrate', '--config', file], { env });
  const { code } = await run.exited;
  if (code !== 0) throw new Error(`conductor migrate ended with ${code}: ${run.output()}`);
}

/** Waits until a further heartbeat is committed. */
async function flows({ database }: World): Promise<void> {
  const newest = async () => {
    const [row] = await database.query<{ sent: number | null }>(
      'SELECT max(sent) AS sent FROM service_statuses',
    );
    return row?.sent ?? 0;
  };
  const before = await newest();
  await waitFor(async () => (await newest()) > before, {
    what: 'heartbeats to flow while the jobs wait',
    timeout: patience,
    interval: 100,
  });
}
