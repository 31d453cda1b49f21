/** The package as its users have it: built, and found by its name. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProcess } from './processes.ts';
import { temporaryDirectory } from './temporary.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Builds the package into a folder of this test's own, so that no other run gets in the way; returns that folder. The types are
 * checked by `npm run types`: here that would take most of the time.
 */
export async function buildPackage(): Promise<string> {
  const folder = temporaryDirectory('package');
  const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
  const build = startProcess(
    process.execPath,
    [compiler, '-p', join(root, 'tsconfig.build.json'), '--noCheck', '--outDir', join(folder, 'dist')],
    { cwd: root },
  );
  const { code } = await build.exited;
  if (code !== 0) throw new Error(`the build failed:\n${build.output()}`);
  for (const name of ['package.json', 'migrations', 'node_modules', 'config', 'examples'])
    if (existsSync(join(root, name))) symlinkSync(join(root, name), join(folder, name));
  // The files of the status page are served as they are.
  mkdirSync(join(folder, 'src/admin'), { recursive: true });
  symlinkSync(join(root, 'src/admin/page'), join(folder, 'src/admin/page'));
  return folder;
}

/** A folder in which `conductor-gateway` is installed, for programs that import it. */
export function installedBeside(packageFolder: string): string {
  const folder = temporaryDirectory('installed');
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(packageFolder, join(folder, 'node_modules', 'conductor-gateway'));
  return folder;
}
