/** Seconds: the smallest step that a double still tells apart at today's epoch is a quarter of it. */
const step = 1e-6;

/**
 * A clock for `sent`: seconds since the epoch, strictly increasing, also where the system's clock is set back; it then creeps
 * until time has caught up, since a message with an older stamp would be stale.
 *
 * @param now milliseconds since the epoch.
 */
export function createStamp(now: () => number = Date.now): () => number {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    last = Math.max(last + step, now() / 1000);
    return last;
  };
}
