import type { ExecutionContext } from 'ava';
import type { ConductorProcess } from '../support/conductor.ts';

/** Asks a conductor to stop. It has to end in good order, within its deadline in milliseconds. */
export async function assertStopsInTime(
  t: ExecutionContext,
  conductor: ConductorProcess,
  deadline: number,
): Promise<void> {
  const begin = performance.now();
  conductor.signal('SIGTERM');
  t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
  const took = performance.now() - begin;
  t.true(took < deadline, `it took ${took} ms`);
}
