/** Faults of a primary and its standby, which has each commit before it counts. */
import { waitFor } from '../../../support/wait.ts';
import type { Fault, World } from '../world.ts';

/** Milliseconds. */
const patience = 90_000;

export const failoverFaults: ReadonlyArray<Fault> = [
  {
    name: 'failover',
    lasts: [100, 3000],
    comesFirst: true,
    possible: ({ standby }) => standby !== undefined,
    run: async (world, lasts) => {
      const { postgres, standby, sleep } = world;
      const old = postgres.port;
      await postgres.kill();
      await sleep(lasts);
      await standby?.promote();
      await waitFor(() => isUsedByAll(world), {
        what: 'the replicas to find the new primary',
        timeout: patience,
        interval: 100,
      });
      await standby?.rebuild();
      return `kill -9 of the primary ${old}; the standby ${postgres.port} took over, and the old one follows it`;
    },
  },
  {
    name: 'standby-kill',
    lasts: [100, 3000],
    comesFirst: true,
    possible: ({ standby }) => standby !== undefined,
    run: async ({ standby, sleep }, lasts) => {
      await standby?.server.kill();
      // No commit can end meanwhile.
      await sleep(lasts);
      await standby?.server.restart();
      await waitFor(async () => (await standby?.isSynchronous()) === true, {
        what: 'commits to wait for the standby again',
        timeout: patience,
        interval: 100,
      });
      return 'kill -9 of the standby';
    },
  },
];

/** Whether each replica has a connection to the primary. */
async function isUsedByAll({ database, replicas }: World): Promise<boolean> {
  const rows = await database.query<{ name: string }>(
    'SELECT application_name AS name FROM pg_stat_activity',
  );
  return replicas.every((replica) => rows.some(({ name }) => name === `conductor ${replica.name}`));
}
