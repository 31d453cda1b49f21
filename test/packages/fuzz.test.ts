import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startProcess } from '../support/processes.ts';

/** The program that docs/security.md names, for a moment. */

const program = fileURLToPath(new URL('../fuzz.ts', import.meta.url));

for (const what of ['bodies', 'properties'])
  test(`changed messages find no fault in the readers of ${what}`, async (t) => {
    const child = startProcess(process.execPath, ['--max-semi-space-size=4', program, what, '0.01']);
    t.teardown(child.kill);
    const { code } = await child.exited;
    t.is(code, 0, child.output());
    t.regex(child.stdout(), /^\w+: \d+ messages in 0\.01 minutes, .* no fault\n$/);
  });
