/** Seconds. A double can hold steps of a quarter of this at today's epoch. */
const step = 1e-6;

/**
 * A clock for `sent`: seconds since the epoch, strictly increasing even if the system's clock is set back. Then it advances in smallest
 * steps until the time has caught up, since a message with an older stamp would be stale.
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
