import { pause } from '../core/backoff.ts';
import type { JobsDatabase } from './contract.ts';
import { type CensusLimits, countPortion, type Portion } from './sql/count-portion.ts';
import { readFleet } from './sql/read-fleet.ts';

/** The state of the fleet, by the database's clock. Deleted instances do not count. */
export interface Census {
  /** Instances whose status says that the guest is alive. */
  readonly watched: number;
  /** Those of them that were not heard of for half of the expiry. */
  readonly late: number;
  /** Those of them that were not heard of for the whole of it. */
  readonly silent: number;
  /** Builds beyond their time. */
  readonly overdue: number;
  /** Silent ones and overdue builds; some of them if there are many. */
  readonly ids: ReadonlyArray<string>;
  /** Guests that were heard of in half of the expiry, by a heartbeat with a time of sending. */
  readonly recent: number;
  /** Those of them whose heartbeat was on its way for half of the expiry: a backlog is being worked off. */
  readonly delayed: number;
  /** How many the sweep has marked in the last minute, on any replica. */
  readonly marked: number;
  /** Milliseconds since the start of the database's server. */
  readonly serverAge: number;
}

/** Ids of one census at most. */
const mostIds = 50_000;
/** Blocks of one statement: 4 MB, some ten milliseconds. */
const step = 500;
/** The pause after a statement, as a multiple of its time, so that heartbeats have the database for themselves a fifth of the time. */
const rest = 0.25;

/** Counts the fleet, in steps. It reads each status once and locks nothing. Undefined if the signal is aborted. */
export async function takeCensus(
  database: JobsDatabase,
  limits: CensusLimits,
  signal: AbortSignal,
): Promise<Census | undefined> {
  const { blocks, marked, serverAge } = await database.transaction(readFleet);
  const ids: string[] = [];
  const portions: Portion[] = [];
  for (let from = 0; from < blocks; from += step) {
    if (signal.aborted) return undefined;
    const began = performance.now();
    const range = { from, count: step };
    const portion = await database.transaction((db) => countPortion(db, limits, range, mostIds - ids.length));
    ids.push(...portion.ids);
    portions.push(portion);
    if (from + step < blocks) await pause(rest * (performance.now() - began), signal);
  }
  const sum = (of: 'fresh' | 'late' | 'silent' | 'overdue' | 'recent' | 'delayed') =>
    portions.reduce((total, portion) => total + portion[of], 0);
  const late = sum('late');
  return {
    watched: sum('fresh') + late,
    late,
    silent: sum('silent'),
    overdue: sum('overdue'),
    ids,
    recent: sum('recent'),
    delayed: sum('delayed'),
    marked,
    serverAge,
  };
}
