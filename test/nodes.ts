/**
 * `npm run test:nodes`: some tests of every room on the oldest and on the newest Node that the package supports, from npm's packages of Node.
 *
 * npm run test:nodes            both
 * npm run test:nodes -- 26      one of them
 *
 * If npm's registry does not give a version in time, the run says so and leaves it out. It fails if a test fails.
 */
import { spawn } from 'node:child_process';
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './support/temporary.ts';

const versions = process.argv.length > 2 ? process.argv.slice(2) : ['22.20', '26'];

/** Milliseconds in which all versions have to be there. */
const fetchLimit = 50_000;

/** What depends on Node most: streams, sockets, threads, timers, compression. No more, so that both versions take less than two minutes. */
const files = globSync([
  'test/core/{json,logger,deadline}.test.ts',
  'test/core/message/*.test.ts',
  'test/core/gateway/{property,supervisor,stopping}.test.ts',
  'test/core/transport/{session-life,lazily}.test.ts',
  'test/client/{casts,calls,calls-*,signing}.test.ts',
  'test/demo/demo.test.ts',
  'test/faults/several-transports.test.ts',
  'test/workers/{decode,packing}.test.ts',
  'test/faults/worker-threads.test.ts',
]);

/**
 * A bound on CPU was found with the Node of development. Of tests that wait for the same thing, one is enough: a worker thread that
 * dies.
 */
const leftOut = [
  '*of CPU*',
  'a message that ends its worker costs*',
  'messages that wait for the quarantine*',
  'a dead letter that ends its worker*',
  'the pool tells of*',
];
const titles = leftOut.map((title) => `--match=!${title}`);

/** Resolves with the exit code; undefined if the program was ended at the limit, with all that it had started. */
function run(
  program: string,
  args: readonly string[],
  { cwd = process.cwd(), limit }: { cwd?: string; limit?: number } = {},
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const isBounded = limit !== undefined;
    // A group of its own: npm has children, which an end of npm alone would leave behind.
    const child = spawn(program, args, { stdio: 'inherit', cwd, detached: isBounded });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, limit ?? 0);
    if (!isBounded) clearTimeout(timer);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve(isLate ? undefined : (code ?? 1));
    });
  });
}

/** Fetches a version. Resolves with its program, or with the reason why it is not there. */
async function fetchNode(version: string): Promise<{ readonly program: string } | { readonly why: string }> {
  const folder = temporaryDirectory('node');
  // The package of Node fetches its program when it is installed.
  const manifest = { private: true, dependencies: { node: version }, allowScripts: { node: true } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error'];
  const code = await run('npm', args, { cwd: folder, limit: fetchLimit });
  if (code === undefined)
    return { why: `npm's registry did not give it within ${fetchLimit / 1000} seconds` };
  if (code !== 0) return { why: `npm cannot install it: exit code ${code}` };
  return { program: join(folder, 'node_modules', '.bin', 'node') };
}

const fetched = await Promise.all(
  versions.map(async (version) => ({ version, ...(await fetchNode(version)) })),
);
for (const node of fetched) {
  if ('why' in node) {
    console.log(`skipped: Node ${node.version}: ${node.why}`);
    continue;
  }
  console.log(`\nNode ${node.version}`);
  const isGood =
    (await run(node.program, ['--version'])) === 0 &&
    (await run(node.program, ['test/run.ts', ...titles, ...files])) === 0;
  if (!isGood) process.exitCode = 1;
}
