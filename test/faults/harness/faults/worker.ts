/** Faults of a worker thread. */
import { waitFor } from '../../../support/wait.ts';
import type { Fault } from '../world.ts';

export const workerFaults: ReadonlyArray<Fault> = [
  {
    name: 'worker-ended',
    lasts: [0, 0],
    run: async ({ publishing, database }) => {
      let instance = '';
      void publishing.nextPoisonIsFatal().then((of) => {
        instance = of;
      });
      // Publishers send nothing while too many messages wait, and a broker may have stopped to deliver.
      await waitFor(() => instance !== '', { what: 'a poison to be published', timeout: 180_000 });
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
