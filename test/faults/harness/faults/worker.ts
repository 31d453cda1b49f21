/** Faults of a worker thread. */
import { waitFor } from '../../../support/wait.ts';
import type { Fault } from '../world.ts';

export const workerFaults: ReadonlyArray<Fault> = [
  {
    name: 'worker-ended',
    lasts: [0, 0],
    run: async ({ publishing, database }) => {
      const instance = await publishing.nextPoisonIsFatal();
      await waitFor(
        async () =>
          (
            await database.query(
              "SELECT FROM dead_letters WHERE reason = 'crash' AND position($1::bytea in body) > 0",
              [Buffer.from(instance)],
            )
          ).length > 0,
        { what: 'the message that ends its thread to be dead', timeout: 180_000, interval: 100 },
      );
      return 'a message that ends each thread that runs it is dead the third time';
    },
  },
];
