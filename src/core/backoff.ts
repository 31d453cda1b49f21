export interface BackoffOptions {
  /** Milliseconds: the upper end of the first delay. */
  readonly base: number;
  /** Milliseconds: the upper end of every delay from some attempt on. */
  readonly max: number;
}

/**
 * Full jitter: each delay is drawn evenly between 0 and an upper end that doubles with each attempt, so that a thousand
 * clients that lost the same broker do not reconnect at the same moment.
 *
 * @param attempt 0 for the first.
 * @returns milliseconds.
 */
export function fullJitter(
  attempt: number,
  { base, max }: BackoffOptions,
  random: () => number = Math.random,
): number {
  // 2 ** attempt overflows to Infinity, which `min` takes care of.
  return random() * Math.min(max, base * 2 ** attempt);
}

/** Resolves after the delay, or at once when the signal is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener('abort', end, { once: true });
  });
}
