import { fileURLToPath } from 'node:url';
import test from 'ava';
import { randomOf } from '../faults/harness/random.ts';
import { CoverageGuide, changed, type Guided } from '../fuzzing/coverage-guide.ts';
import { readPlanted } from '../fuzzing/planted.ts';
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

/** Looks for the planted fault. Returns the messages that it took; undefined if they were not enough. */
async function messagesUntilFound(most: number, isGuided: boolean): Promise<number | undefined> {
  const random = randomOf('planted');
  let count = 0;
  const target: Guided = {
    read: (bytes) => {
      count += 1;
      readPlanted(bytes);
    },
    corpus: [Buffer.alloc(4)],
  };
  const guide = new CoverageGuide(new URL('../fuzzing/planted.ts', import.meta.url).href);
  await guide.start();
  try {
    while (count < most) {
      const messages = changed(target.corpus, random);
      if (isGuided) await guide.explore(target, messages);
      else for (const message of messages) target.read(message);
    }
  } catch {
    return count;
  } finally {
    guide.stop();
  }
  return undefined;
}

test('a fault behind four nested conditions is found with coverage as the guide, and not without', async (t) => {
  const most = 200_000;
  const found = await messagesUntilFound(most, true);
  t.true(found !== undefined && found < most / 2, `${found} messages`);
  t.is(await messagesUntilFound(most, false), undefined);
});
