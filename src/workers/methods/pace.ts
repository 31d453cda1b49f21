import type { Db } from '../postgres/transaction.ts';
import type { WorkerSettings } from '../settings.ts';
import { estimateFleet } from './estimate-fleet.ts';

/** How often a guest is to report, in seconds. */
export interface Pace {
  /** Between two heartbeats. */
  readonly interval: number;
  /** Until the next one. */
  readonly next: number;
}

/** Milliseconds for which an estimate of the fleet counts: a fleet that starts would ask for it with each call. */
const freshness = 5000;

/** By the settings, of which a thread has one object. */
const estimates = new WeakMap<WorkerSettings, { readonly fleet: number; readonly at: number }>();

/**
 * The pace now. The interval grows with the fleet, so that the fleet sends at most `guests.maxHeartbeatsPerSecond`. The next heartbeat
 * has a random delay of up to one interval more, so that guests that start together do not send together.
 */
export async function paceNow(db: Db, settings: WorkerSettings): Promise<Pace> {
  let estimate = estimates.get(settings);
  if (estimate === undefined || performance.now() - estimate.at > freshness) {
    estimate = { fleet: await estimateFleet(db), at: performance.now() };
    estimates.set(settings, estimate);
  }
  const interval = intervalFor(estimate.fleet, settings.pacing);
  return { interval, next: interval * (1 + Math.random()) };
}

/** Seconds between two heartbeats of a guest in a fleet of so many. */
export function intervalFor(fleet: number, { least, most, perSecond }: WorkerSettings['pacing']): number {
  const needed = perSecond === 0 ? 0 : fleet / perSecond;
  return Math.min(most / 1000, Math.max(least / 1000, needed));
}
