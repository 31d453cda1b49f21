import { heartbeat } from '../../../src/workers/methods/heartbeat/index.ts';
import type { Db } from '../../../src/workers/postgres/transaction.ts';

/** The channel that ends the thread in which `late` has run. */
export const lateDeath = 'late-death';

/** Methods that end the thread they run in, and one that is there to be ended with it. */
export default {
  leave: { allowed: 'anyone', mutating: false, parse: () => undefined, run: () => process.exit(7) },
  linger: {
    allowed: 'anyone',
    mutating: false,
    parse: () => undefined,
    run: async (db: Db) => {
      await db.query('linger', 'SELECT pg_sleep(0.05)', []);
      return 'stayed';
    },
  },
  exit: { ...heartbeat, apply: () => process.exit(7) },
  /** From then on its thread dies when it is told to. */
  late: {
    ...heartbeat,
    apply: (...all: Parameters<typeof heartbeat.apply>) => {
      new BroadcastChannel(lateDeath).onmessage = () => {
        throw new Error('a mistake in a listener');
      };
      return heartbeat.apply(...all);
    },
  },
  allocate: {
    ...heartbeat,
    apply: () => {
      // Numbers with a fraction: the garbage collector need not look at each.
      for (const hoard: unknown[] = []; ; ) hoard.push(new Array(100_000).fill(0.5));
    },
  },
};
