import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startProcess } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** A test file that fails while a server of its own runs ends all the same, and says why it has failed. */

const support = (name: string) => JSON.stringify(new URL(`../support/${name}`, import.meta.url).href);
const ava = fileURLToPath(new URL('cli.mjs', import.meta.resolve('ava')));

/** A project with one test file that starts a process and then goes on with this. */
function projectWith(rest: string): string {
  const folder = temporaryDirectory('ending');
  const config = { extensions: { ts: 'module' }, files: ['*.test.ts'], require: ['./completion.ts'] };
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ type: 'module', ava: { ...config, workerThreads: false, timeout: '5m' } }),
  );
  symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'completion.ts'), `import ${support('completion.ts')};\n`);
  writeFileSync(
    join(folder, 'failing.test.ts'),
    `import test from 'ava';
import { startProcess } from ${support('processes.ts')};
test('it fails', async (t) => {
  const child = startProcess('sleep', ['600']);
  console.log('pid ' + child.pid);
  ${rest}
});
`,
  );
  return folder;
}

/** One that has ended and that nobody has asked about yet has no command line. On Linux only. */
function isRunning(pid: string): boolean {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file, 'utf8') !== '';
}

for (const [what, rest] of [
  ['an assertion', "t.fail('on purpose');"],
  ['an error', "throw new Error('on purpose');"],
  ['a rejection that nobody awaits', "void Promise.reject(new Error('on purpose')); t.pass();"],
  [
    'an exception elsewhere',
    "setImmediate(() => { throw new Error('on purpose'); }); await new Promise(() => {});",
  ],
  ['a process that it has left behind, and nothing else', "t.pass('on purpose');"],
] as const) {
  test.serial(`a test file that fails by ${what} does not wait for its servers`, async (t) => {
    t.timeout(60_000);
    const run = startProcess(process.execPath, [ava], { cwd: projectWith(rest) });
    t.teardown(run.kill);
    const { code } = await run.exited;
    t.is(code, 1, run.output());
    if (!rest.startsWith('t.pass')) t.regex(run.output(), /on purpose/);
    const [, pid] = /pid (\d+)/.exec(run.output()) ?? [];
    if (pid === undefined) return t.fail(run.output());
    await waitFor(() => !isRunning(pid), { what: 'its server to end' });
  });
}
