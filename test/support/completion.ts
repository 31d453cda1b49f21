/**
 * Loaded by ava before each test file, so that no file outlives its failure: ava itself waits for whatever a test file
 * has left open, such as a server, for minutes.
 */
import { constants } from 'node:os';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { registerCompletionHandler } from 'ava';

/** After the last test. What ends by itself, such as idle connections, is given this long. In milliseconds. */
const patience = 3000;
/** A test may come to await a promise only after it has been rejected, but not much later. In milliseconds. */
const patienceWithRejections = 5000;

registerCompletionHandler(() => {
  // It keeps nobody who has ended.
  setTimeout(endWhatIsLeft, patience).unref();
});

// Ava looks at these after the last test only, and the test that should have had this one may wait for ever.
process.on('unhandledRejection', (reason, promise) => {
  const timer = setTimeout(() => endWith(reason), patienceWithRejections).unref();
  const handled = (late: Promise<unknown>) => {
    if (late !== promise) return;
    clearTimeout(timer);
    process.off('rejectionHandled', handled);
  };
  process.on('rejectionHandled', handled);
});

// Ava ends a file in this way, when it is interrupted for example; without a handler nobody would end our servers.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    // Not process.exit(), which ava reports as a failure of every test that has not ended.
    process.emit('exit', 128 + constants.signals[signal]);
    process.kill(process.pid, signal);
  });
}

/** Ava reports what nobody catches, and ends the file at once. */
function endWith(reason: unknown): void {
  throw reason;
}

function endWhatIsLeft(): void {
  const held = process.getActiveResourcesInfo();
  const file = relative(process.cwd(), fileURLToPath(test.meta.file));
  console.error(`Ended ${file}, which has left something open: ${[...new Set(held)].join(', ')}`);
  // Our children are killed when we end. Whoever leaves one behind has not passed.
  process.exit(held.includes('ProcessWrap') ? 1 : 0);
}
