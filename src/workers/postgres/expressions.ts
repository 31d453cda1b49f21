/** Trove's columns are timestamps without time zone, in UTC. */
export const utcNow = "(now() AT TIME ZONE 'utc')";

/**
 * Seconds since the epoch, by the database's clock. A stored guard beyond this horizon does not guard: the guest's clock once ran
 * ahead, and the guest must not stay muted until the time has caught up.
 */
export const guardHorizon = '(extract(epoch FROM now())::double precision + 60)';
