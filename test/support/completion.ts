/**
 * Loaded by ava before each test file. A test that fails before it has arranged for its servers to end leaves them to
 * hold the process of its file, and ava would wait for that for minutes: what still runs a while after the last test is
 * ended here.
 */
import { registerCompletionHandler } from 'ava';

/** What ends by itself, such as idle connections, is given this long. In milliseconds. */
const patience = 3000;

registerCompletionHandler(() => {
  // It keeps nobody who has ended.
  setTimeout(endWhatIsLeft, patience).unref();
});

function endWhatIsLeft(): void {
  const held = process.getActiveResourcesInfo();
  console.error(`Ended, though the tests have left something open: ${[...new Set(held)].join(', ')}`);
  // Our children are killed when we end. Whoever leaves one behind has not passed.
  process.exit(held.includes('ProcessWrap') ? 1 : 0);
}
