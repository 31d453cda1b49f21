import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * The URL of a module that the configuration names: a path that begins with `./`, `../` or `/`, from the file's own folder on;
 * a `file:` URL; or a package, which is looked for beside the file and then beside us. Throws if there is no such package.
 */
export function moduleUrl(specifier: string, file: string): string {
  if (/^\.{0,2}\//.test(specifier)) return pathToFileURL(resolve(dirname(file), specifier)).href;
  if (specifier.startsWith('file:')) return specifier;
  try {
    return pathToFileURL(createRequire(resolve(file)).resolve(specifier)).href;
  } catch {
    // Packages that can only be imported, not required, are not found in this way.
    return import.meta.resolve(specifier);
  }
}
