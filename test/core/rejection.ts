import { Rejected } from '../../src/core/errors.ts';

/** Why the work was rejected, as `reason: detail`; throws if it was not. */
export function rejection(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return `${error.reason}: ${error.message}`;
  }
  throw new Error('it was not rejected');
}
