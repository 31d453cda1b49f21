/** Faults of what runs out: connections, the broker's memory, the disk. */
import pg from 'pg';
import { codeOf } from '../../../../src/core/errors.ts';
import { waitFor } from '../../../support/wait.ts';
import type { Fault, World } from '../world.ts';
import { terminateAll } from './postgres.ts';

const tooManyConnections = '53300';
/** More than any server of a round has. */
const most = 300;

export const exhaustedFaults: ReadonlyArray<Fault> = [
  {
    name: 'connections-exhausted',
    lasts: [500, 4000],
    run: async (world, lasts) => {
      const taken: pg.Client[] = [];
      try {
        await takeAll(world, taken);
        // The replicas' own go as well, and are taken before they come back.
        await terminateAll(world);
        await takeAll(world, taken);
        await world.sleep(lasts);
      } finally {
        await Promise.all(taken.map((client) => client.end().catch(() => {})));
      }
      return `${taken.length} connections taken`;
    },
  },
  {
    name: 'memory-alarm',
    lasts: [500, 4000],
    possible: ({ broker }) => broker.alarm !== undefined,
    run: async ({ broker, sleep }, lasts) => {
      await broker.alarm?.(true);
      try {
        await sleep(lasts);
      } finally {
        await broker.alarm?.(false);
      }
      return 'the broker takes no messages';
    },
  },
  {
    name: 'disk-full',
    lasts: [1000, 5000],
    possible: ({ disk }) => disk !== undefined,
    run: async ({ disk, postgres, database, sleep }, lasts) => {
      disk?.fill();
      try {
        await sleep(lasts);
      } finally {
        disk?.free();
      }
      // A server that cannot write its log ends, and cannot recover before there is room.
      const answers = waitFor(() => database.query('SELECT'), { what: 'Postgres to answer', timeout: 3000 });
      const lives = await answers.then(
        () => true,
        () => false,
      );
      if (!lives) await postgres.restart();
      return lives ? 'Postgres went on by itself' : 'Postgres had ended, and was started again';
    },
  },
];

async function takeAll({ database }: World, taken: pg.Client[]): Promise<void> {
  while (taken.length < most) {
    const client = new pg.Client({ connectionString: database.url });
    // The server may end it.
    client.on('error', () => {});
    try {
      await client.connect();
    } catch (error) {
      if (codeOf(error) === tooManyConnections) return;
      throw error;
    }
    taken.push(client);
  }
}
