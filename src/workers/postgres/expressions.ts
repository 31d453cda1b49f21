/** Trove's columns are timestamps without zone that hold UTC. */
export const utcNow = "(now() AT TIME ZONE 'utc')";

/**
 * Seconds since the epoch, by the database's clock. A stored guard beyond it no longer guards: the guest's clock once ran
 * ahead, and must not mute it until time has caught up.
 */
export const guardHorizon = '(extract(epoch FROM now())::double precision + 60)';
