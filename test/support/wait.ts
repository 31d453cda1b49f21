import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../src/core/errors.ts';

export interface WaitOptions {
  /** Completes the sentence "waited in vain for ...". */
  readonly what: string;
  /** In milliseconds; 10 seconds unless told. */
  readonly timeout?: number;
  /** In milliseconds, between two looks; 20 unless told. */
  readonly interval?: number;
  /** The process that is to bring it about: the wait fails when it ends first, and shows what it printed last. */
  readonly process?: { readonly exited: Promise<unknown>; output(): string };
}

/**
 * Looks again and again until the condition returns neither false nor undefined, and resolves with what it returned. A
 * condition that throws (the connection is refused) is not met yet. Rejects past the timeout, naming the condition, the
 * last error and the last output.
 */
export async function waitFor<T>(
  condition: () => T | false | undefined | Promise<T | false | undefined>,
  { what, timeout = 10_000, interval = 20, process }: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + timeout;
  let ended = false;
  void process?.exited.then(() => {
    ended = true;
  });
  for (;;) {
    // Known before the look, so that the last look comes after the end.
    const last = ended || performance.now() >= deadline;
    let problem: unknown;
    try {
      const value = await condition();
      if (value !== false && value !== undefined) return value;
    } catch (error) {
      problem = error;
    }
    if (last) {
      const lines = [`waited in vain for ${what} (${ended ? 'the process has ended' : `${timeout} ms`})`];
      if (problem !== undefined) lines.push(`last error: ${messageOf(problem)}`);
      if (process !== undefined) lines.push('last output:', process.output());
      throw new Error(lines.join('\n'), { cause: problem });
    }
    await sleep(interval);
  }
}
