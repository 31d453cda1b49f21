import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { startProcess } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** A test file that fails while a server of its own runs ends all the same, and says why it has failed. */

const support = (name: string) => JSON.stringify(new URL(`../support/${name}`, import.meta.url).href);
const ava = fileURLToPath(new URL('cli.mjs', import.meta.resolve('ava')));

/** A project with one test file that starts a process in a test and then goes on with this. */
function projectWith(rest: string): string {
  return projectOf(`test('it fails', async (t) => {
  ${start}
  ${rest}
});`);
}

const start = "const child = startProcess('sleep', ['600']); console.log('pid ' + child.pid);";

/** A project with one test file. */
function projectOf(text: string): string {
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
    `import test, { type ExecutionContext } from 'ava';
import { startProcess } from ${support('processes.ts')};
import { run } from ${support('../../src/embedded/process.ts')};
${text}
`,
  );
  return folder;
}

/** One that has ended and that nobody has asked about yet has no command line. On Linux only. */
function isRunning(pid: string): boolean {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file, 'utf8') !== '';
}

const forEver = 'await new Promise(() => {});';

for (const [what, project] of [
  ['an assertion', projectWith("t.fail('on purpose');")],
  ['an error', projectWith("throw new Error('on purpose');")],
  ['a rejection that nobody awaits', projectWith("void Promise.reject(new Error('on purpose')); t.pass();")],
  [
    'a rejection that nobody awaits, while it waits for what never comes',
    projectWith(`void Promise.reject(new Error('on purpose')); ${forEver}`),
  ],
  [
    'an exception elsewhere',
    projectWith(`setImmediate(() => { throw new Error('on purpose'); }); ${forEver}`),
  ],
  [
    'an exception in a hook before its tests',
    projectOf(`test.before(() => { ${start} throw new Error('on purpose'); }); test('it', (t) => t.pass());`),
  ],
  ['an exception outside its tests', projectOf(`${start} throw new Error('on purpose');`)],
  [
    'an error while a Postgres runs',
    projectOf(`test('it fails', () => {
  console.log('pid ' + run('sleep', ['600'], undefined).pid);
  throw new Error('on purpose');
});`),
  ],
  ['a process that it has left behind, and nothing else', projectWith("t.pass('on purpose');")],
] as const) {
  test.serial(`a test file that fails by ${what} does not wait for its servers`, async (t) => {
    t.timeout(60_000);
    const { run, pid } = await runUntilFailure(t, project);
    const failed = performance.now();
    const { code } = await run.exited;
    const took = performance.now() - failed;
    t.is(code, 1, run.output());
    if (!what.endsWith('nothing else')) t.regex(run.output(), /on purpose/);
    t.true(took < 10_000, `it took ${took} ms`);
    await waitFor(() => !isRunning(pid), { what: 'its server to end' });
  });
}

for (const [what, line] of [
  ['a process', start],
  ['a Postgres', "console.log('pid ' + run('sleep', ['600'], undefined).pid);"],
] as const) {
  test.serial(`a test file that is interrupted ends ${what} that it has started`, async (t) => {
    t.timeout(60_000);
    const project = projectOf(`test('it waits', async () => { ${line} ${forEver} });`);
    const { run, pid } = await runUntilFailure(t, project);
    run.signal('SIGINT');
    t.is((await run.exited).code, 1);
    t.notRegex(run.output(), /process\.exit/);
    await waitFor(() => !isRunning(pid), { what: 'its server to end' });
  });
}

/** Runs the project's tests; resolves when they have started their server, just before they fail. */
async function runUntilFailure(t: ExecutionContext, cwd: string) {
  const run = startProcess(process.execPath, [ava], { cwd });
  t.teardown(run.kill);
  const started = () => /pid (\d+)/.exec(run.output())?.[1];
  const pid = await waitFor(started, { what: 'the server', process: run, timeout: 30_000 });
  return { run, pid };
}
