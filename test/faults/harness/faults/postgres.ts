/** Faults of Postgres. */
import { waitFor } from '../../../support/wait.ts';
import type { Fault, World } from '../world.ts';

export const postgresFaults: ReadonlyArray<Fault> = [
  {
    name: 'postgres-kill',
    lasts: [100, 3000],
    run: async (world, lasts) => {
      await world.postgres.kill();
      await world.sleep(lasts);
      await world.postgres.restart();
      return 'kill -9 of Postgres';
    },
  },
  {
    name: 'postgres-restart',
    lasts: [0, 1500],
    run: async (world, lasts) => {
      await world.postgres.stop();
      await world.sleep(lasts);
      await world.postgres.restart();
      return 'stop and start of Postgres';
    },
  },
  {
    name: 'backends-terminated',
    lasts: [0, 1500],
    run: async (world, lasts) => {
      const count = await terminateAll(world);
      await world.sleep(lasts);
      // Once more, while they come back.
      return `${count + (await terminateAll(world))} backends`;
    },
  },
];

/** Ends all connections of the replicas; resolves with their number. */
export async function terminateAll({ database }: World): Promise<number> {
  const rows = await waitFor(
    () =>
      database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name LIKE 'conductor%'`,
      ),
    { what: 'the backends to be terminated' },
  );
  return rows.length;
}
