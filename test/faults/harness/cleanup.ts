import { messageOf } from '../../../src/core/errors.ts';
import type { Cleanup } from './world.ts';

/** Ends what the work has started, the last first, also if it fails. */
export async function withCleanup<Result>(
  print: (line: string) => void,
  work: (cleanup: Cleanup) => Promise<Result>,
): Promise<Result> {
  const ends: (() => Promise<unknown>)[] = [];
  try {
    return await work({ teardown: (end) => void ends.push(end) });
  } finally {
    for (const end of ends.reverse()) await end().catch((error: unknown) => print(messageOf(error)));
  }
}
