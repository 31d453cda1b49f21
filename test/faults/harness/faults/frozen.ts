/** Faults of servers that run and do not answer. */
import type { Fault } from '../world.ts';

export const frozenFaults: ReadonlyArray<Fault> = [
  {
    name: 'broker-freeze',
    lasts: [500, 6000],
    run: async ({ broker, sleep }, lasts) => {
      await frozen(
        broker.nodes.map(({ pid }) => pid),
        () => sleep(lasts),
      );
      return 'SIGSTOP of the broker';
    },
  },
  {
    name: 'postgres-freeze',
    lasts: [500, 6000],
    run: async ({ postgres, database, sleep }, lasts) => {
      const backends = await database.query<{ pid: number }>(
        'SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL',
      );
      await frozen([postgres.pid, ...backends.map(({ pid }) => pid)], () => sleep(lasts));
      return `SIGSTOP of Postgres and ${backends.length} of its processes`;
    },
  },
];

async function frozen(pids: ReadonlyArray<number>, meanwhile: () => Promise<void>): Promise<void> {
  for (const pid of pids) signal(pid, 'SIGSTOP');
  try {
    await meanwhile();
  } finally {
    // The first one last: it looks after the others.
    for (const pid of pids.toReversed()) signal(pid, 'SIGCONT');
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // A backend that has just ended.
  }
}
