import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, messageOf } from '../errors.ts';

/**
 * The URL of a module that the configuration names: a path that begins with `./`, `../` or `/`, from the file's own folder
 * on; a `file:` URL; or a package that is installed where the file is.
 *
 * @param key in the error, if there is no such package.
 */
export function moduleUrl(specifier: string, file: string, key: string): string {
  const folder = dirname(resolve(file));
  if (specifier.startsWith('file:')) return specifier;
  if (/^\.{0,2}\//.test(specifier)) return pathToFileURL(resolve(folder, specifier)).href;
  try {
    return pathToFileURL(createRequire(`${folder}/`).resolve(specifier)).href;
  } catch (error) {
    const [line = ''] = messageOf(error).split('\n');
    throw new ConfigError(`${key}: ${line}; a file of your own begins with ./`);
  }
}
