/** Faults of a replica's process. */
import type { Fault } from '../world.ts';

export const conductorFaults: ReadonlyArray<Fault> = [
  {
    name: 'conductor-kill',
    lasts: [100, 2500],
    run: async ({ replicas, sleep }, lasts, random) => {
      const victim = random.pick(replicas);
      await victim.kill();
      await sleep(lasts);
      victim.start();
      await victim.consumes();
      return `kill -9 of ${victim.name}`;
    },
  },
  {
    name: 'conductor-kill-all',
    lasts: [100, 2000],
    run: async ({ replicas, sleep }, lasts) => {
      await Promise.all(replicas.map((one) => one.kill()));
      await sleep(lasts);
      for (const one of replicas) one.start();
      await Promise.all(replicas.map((one) => one.consumes()));
      return `kill -9 of all ${replicas.length}`;
    },
  },
  {
    name: 'conductor-freeze',
    lasts: [500, 7000],
    run: async ({ replicas, sleep }, lasts, random) => {
      const victim = random.pick(replicas);
      victim.signal('SIGSTOP');
      try {
        await sleep(lasts);
      } finally {
        victim.signal('SIGCONT');
      }
      return `SIGSTOP of ${victim.name}`;
    },
  },
  {
    name: 'conductor-restart',
    lasts: [0, 1500],
    run: async ({ replicas, sleep }, lasts, random) => {
      const one = random.pick(replicas);
      await one.stop();
      await sleep(lasts);
      one.start();
      await one.consumes();
      return `SIGTERM of ${one.name}`;
    },
  },
];
