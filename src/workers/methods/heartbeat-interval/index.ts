import type { WorkerSettings } from '../../settings.ts';
import type { CallMethod } from '../contract.ts';
import { description } from './description.ts';
import { estimateFleet } from './estimate-fleet.ts';

/**
 * Tells a guest how often to report. The interval grows with the fleet, so that the fleet sends at most
 * `guests.maxHeartbeatsPerSecond`. The first heartbeat has a random delay of up to one interval more, so that guests that start together
 * do not send together.
 */
export const heartbeatInterval: CallMethod<undefined> = {
  description,
  allowed: 'anyone',
  mutating: false,
  parse: () => undefined,
  async run(db, _, { settings: { pacing } }) {
    const interval = intervalFor(await estimateFleet(db), pacing);
    return { interval, next: interval * (1 + Math.random()) };
  },
};

/** Seconds between two heartbeats of a guest in a fleet of so many. */
export function intervalFor(fleet: number, { least, most, perSecond }: WorkerSettings['pacing']): number {
  const needed = perSecond === 0 ? 0 : fleet / perSecond;
  return Math.min(most / 1000, Math.max(least / 1000, needed));
}
