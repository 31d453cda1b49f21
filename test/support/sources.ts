import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';

/** The files of src/, and what each imports. */

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** A file of src/ by its path in there, with what it imports: other files likewise, and packages by their names. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly files: readonly string[];
  readonly packages: readonly string[];
}

/** `import ... from`, also the last line of one that takes several, `export ... from`, `import '...'` and `import('...')`. */
export const importPattern =
  /^(?:import\b|export\b|\})[^'"\n]*\bfrom '([^']+)'|^import '([^']+)'|\bimport\([^)']*'([^']+)'\)/gm;

export const sources: readonly Source[] = readdirSync(join(root, 'src'), {
  recursive: true,
  encoding: 'utf8',
})
  .filter((path) => path.endsWith('.ts'))
  .map(read);

function read(path: string): Source {
  const text = readFileSync(join(root, 'src', path), 'utf8');
  const specifiers = [...text.matchAll(importPattern)]
    .map(([, declared, bare, called]) => declared ?? bare ?? called ?? '')
    .filter((specifier) => !isBuiltin(specifier));
  return {
    path,
    text,
    files: specifiers.filter((one) => one.startsWith('.')).map((one) => join(dirname(path), one)),
    packages: specifiers
      .filter((one) => !one.startsWith('.'))
      .map((one) => one.split('/', one.startsWith('@') ? 2 : 1).join('/')),
  };
}

/** The shortest circle through each file that lies on one, by the names of its files. */
export function circles(sources: readonly Source[]): string[] {
  const imports = new Map(sources.map(({ path, files }) => [path, files]));
  const found = new Set<string>();
  for (const start of imports.keys()) {
    const ways: string[][] = [[start]];
    const seen = new Set<string>();
    for (const way of ways) {
      const next = imports.get(way.at(-1) ?? '') ?? [];
      if (next.includes(start)) {
        // The same circle from each of its files is one.
        const first = way.indexOf(way.toSorted()[0] ?? '');
        found.add([...way.slice(first), ...way.slice(0, first)].join(' → '));
        break;
      }
      for (const file of next) if (!seen.has(file)) ways.push([...way, file]);
      for (const file of next) seen.add(file);
    }
  }
  return [...found];
}
