import test from 'ava';
import { assertNothingLeft, entries, isOver, main, startDemo } from '../demo/demo-support.ts';
import { type Process, startProcess } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** Demos that are interrupted, refused, or lose their output. */

/** Milliseconds. */
const patience = 60_000;

test('the demo stops cleanly on an interrupt while it creates the database', async (t) => {
  const folder = temporaryDirectory('demo');
  const demo = startDemo(t, folder);
  await waitFor(() => entries(folder).some((name) => name.includes('unfinished')), {
    what: 'the beginning of initdb',
    timeout: patience,
    process: demo,
  });
  demo.signal('SIGTERM');
  t.is((await demo.exited).code, 0, demo.output());
  t.regex(demo.stdout(), /^Ended before the guests began\.$/m);
  assertNothingLeft(t, folder);
});

test('a second demo in the same folder is refused, and does not affect the first, which stops cleanly on an interrupt', async (t) => {
  const folder = temporaryDirectory('demo');
  const first = startDemo(t, folder);
  await printed(first, /The first heartbeat was in Postgres/);
  const second = startDemo(t, folder, '--for', '1');
  t.is((await second.exited).code, 2, second.output());
  t.regex(
    second.stderr(),
    new RegExp(`^conductor: .* is in use by process ${first.pid} \\[data-directory\\]\n$`),
  );
  const lines = first.stdout().split('\n').length;
  await waitFor(() => first.stdout().split('\n').length > lines, {
    what: 'more of the first',
    process: first,
  });
  first.signal('SIGINT');
  t.is((await first.exited).code, 0, first.output());
  t.regex(first.stdout(), /^Ended after \d+ s: \d+ heartbeats written to Postgres/m);
  assertNothingLeft(t, folder);
});

test('the demo ends when its output is closed', async (t) => {
  const folder = temporaryDirectory('demo');
  const command = `"${process.execPath}" "${main}" demo | head -n 1`;
  const demo = startProcess('/bin/sh', ['-c', command], { cwd: folder });
  t.teardown(async () => void (await demo.stop()));
  await demo.exited;
  await waitFor(() => isOver(folder), { what: 'the end of the demo', timeout: patience });
  assertNothingLeft(t, folder);
});

async function printed(process: Process, pattern: RegExp): Promise<void> {
  await waitFor(() => pattern.test(process.stdout()), { what: String(pattern), timeout: patience, process });
}
