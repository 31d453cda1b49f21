import assert from 'node:assert/strict';
import { until } from './harness.ts';

/** Runs a function, and waits until the process has no more sockets, timers and listeners than before. */
export async function settlesToBefore(run: () => Promise<void>): Promise<void> {
  const warnings: string[] = [];
  const warned = (warning: Error) => void warnings.push(warning.message);
  process.on('warning', warned);
  try {
    const before = open();
    await run();
    const more = () =>
      [...open()].filter(([what, count]) => count > (before.get(what) ?? 0)).map(([what]) => what);
    await until('all that was opened to be closed', () => more().length === 0).catch(() =>
      assert.fail(`more is open than before: ${more().join(', ')}`),
    );
    // An emitter warns of more listeners than it expects.
    assert.deepEqual(warnings, []);
  } finally {
    process.off('warning', warned);
  }
}

/** The resources that keep the process alive, and its listeners, counted by kind. */
function open(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  // File operations and name lookups come and go.
  for (const passing of ['FSReqPromise', 'FSReqCallback', 'GetAddrInfoReqWrap', 'Immediate'])
    counts.delete(passing);
  for (const event of process.eventNames())
    counts.set(`listeners of ${String(event)}`, process.listenerCount(event));
  return counts;
}
