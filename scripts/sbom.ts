/**
 * `npm run sbom`, for the pipeline of a deployer: a list in the CycloneDX form of what `npm ci --omit=dev` installs, on standard output.
 *
 * `npm sbom --omit=dev` alone leaves out a dependency that a development dependency needs too (npm 11). So npm gets a lock file from which
 * the development dependencies are gone.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const form = ['--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];

type Fields = Readonly<Record<string, unknown>>;

function read(file: string): Fields {
  const content: unknown = JSON.parse(readFileSync(join(root, file), 'utf8'));
  return fieldsOf(content);
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** A package's description, or its entry in the lock file, without its development dependencies. */
function shipped(description: unknown): Fields {
  const { devDependencies: _, ...others } = fieldsOf(description);
  return others;
}

const { packages, ...lock } = read('package-lock.json');
const kept = Object.entries(fieldsOf(packages)).filter(([, entry]) => fieldsOf(entry).dev !== true);
const folder = mkdtempSync(join(tmpdir(), 'conductor-sbom-'));
try {
  const files = {
    'package.json': shipped(read('package.json')),
    'package-lock.json': {
      ...lock,
      packages: Object.fromEntries(kept.map(([path, entry]) => [path, shipped(entry)])),
    },
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), JSON.stringify(content));
  const { status, error } = spawnSync('npm', ['sbom', ...form], { cwd: folder, stdio: 'inherit' });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
