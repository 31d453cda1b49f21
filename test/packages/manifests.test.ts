import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

/** The packages that a deployer installs with ours. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const json = (file: string): unknown => JSON.parse(readFileSync(`${root}${file}`, 'utf8'));
const manifests = ['package.json', 'conductor-client/package.json'];

function entries(holder: unknown, key: string): [string, string][] {
  const found: unknown = Reflect.get(Object(holder), key);
  return Object.entries(Object(found ?? {}));
}

test('no package of ours runs a script when it is installed', (t) => {
  for (const file of manifests)
    for (const [name] of entries(json(file), 'scripts'))
      t.notRegex(name, /^(pre|post)?install$|^(pre|post)?prepare$|^prepublish$/, file);
});

test('each dependency is a release, not a preview', (t) => {
  for (const file of manifests)
    for (const [name, range] of ['dependencies', 'peerDependencies'].flatMap((key) =>
      entries(json(file), key),
    ))
      t.regex(range, /^\^?\d+\.\d+\.\d+$/, `${file}: ${name}`);
});
