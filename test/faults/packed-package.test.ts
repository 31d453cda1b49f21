import { cpSync, existsSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startProcess } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What git does not keep, and what the package does not need. */
const left = new Set(['node_modules', 'dist', '.git', '.conductor', 'test', 'bench']);

test('a package that is packed in a fresh clone contains the program', async (t) => {
  const clone = join(temporaryDirectory('pack'), 'clone');
  cpSync(root, clone, { recursive: true, filter: (path) => !left.has(relative(root, path)) });
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  t.false(existsSync(join(clone, 'dist')));
  const npm = startProcess('npm', ['pack', '--json'], { cwd: clone });
  t.is((await npm.exited).code, 0, npm.output());
  // Without the maps, because the last 64 Ki characters of an output are kept.
  const archive = startProcess('sh', ['-c', "tar -tzf *.tgz | grep -v '\\.map$'"], { cwd: clone });
  t.is((await archive.exited).code, 0, archive.output());
  const files = archive.stdout().split('\n');
  for (const name of [
    'main.js',
    'public/client.js',
    'public/client.d.ts',
    'public/manager.js',
    'public/transport.js',
    'public/conformance.js',
  ])
    t.true(files.includes(`package/dist/${name}`), name);
  for (const name of [
    'src/admin/page/page.html',
    'src/admin/page/main.js',
    'migrations/',
    'config/',
    'docs/',
    'examples/',
    'README.md',
    'LICENSE',
  ])
    t.true(
      files.some((file) => file.startsWith(`package/${name}`)),
      name,
    );
});
