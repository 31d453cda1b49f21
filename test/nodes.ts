/**
 * `npm run test:nodes`: some tests of every room on the oldest and on the newest Node that the package supports, from npm's packages of Node.
 *
 * npm run test:nodes            both
 * npm run test:nodes -- 26      one of them
 *
 * A version that npm's registry does not give is named and left out. Fails if a test fails.
 */
import { spawn } from 'node:child_process';
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './support/temporary.ts';

const versions = process.argv.length > 2 ? process.argv.slice(2) : ['22.20', '26'];

/** What depends on Node most: streams, sockets, threads, timers, compression. No more, so that both versions take less than two minutes. */
const files = globSync([
  'test/core/{json,logger,deadline}.test.ts',
  'test/core/message/*.test.ts',
  'test/core/gateway/{property,supervisor,stopping}.test.ts',
  'test/core/transport/{session-life,lazily}.test.ts',
  'test/client/{casts,calls,calls-*,signing}.test.ts',
  'test/demo/demo.test.ts',
  'test/end-to-end/{client,several-transports}.test.ts',
  'test/workers/{decode,pool}.test.ts',
]);

/** A bound on CPU was found with the Node of development. */
const titles = '--match=!*of CPU*';

/** Resolves with the exit code. */
function run(program: string, args: readonly string[], cwd = process.cwd()): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', cwd });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

for (const version of versions) {
  const folder = temporaryDirectory('node');
  // The package of Node fetches its program when it is installed.
  const manifest = { private: true, dependencies: { node: version }, allowScripts: { node: true } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  if ((await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], folder)) !== 0) {
    console.log(`skipped: Node ${version} cannot be fetched from the registry`);
    continue;
  }
  const node = join(folder, 'node_modules', '.bin', 'node');
  console.log(`\nNode ${version}`);
  if ((await run(node, ['--version'])) !== 0 || (await run(node, ['test/run.ts', titles, ...files])) !== 0)
    process.exitCode = 1;
}
