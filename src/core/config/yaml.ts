import { parseDocument } from 'yaml';
import { ConfigError, messageOf } from '../errors.ts';

/**
 * Parses YAML. The parser's warnings are errors too, such as an unknown tag, since the result would differ from the file's meaning.
 *
 * @param what names the text in the error.
 * @throws ConfigError
 */
export function parseYaml(text: string, what: string): unknown {
  const document = parseDocument(text, { stringKeys: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw notYaml(problem, what);
  try {
    return document.toJS();
  } catch (error) {
    // Follows aliases. An alias may lead nowhere, or expand to gigabytes.
    throw notYaml(error, what);
  }
}

/** Errors of the parser that quote the text, which may be a secret without its quotes, and the words in their place. */
const quoting: ReadonlyArray<readonly [says: RegExp, instead: string]> = [
  [/^Unresolved tag/, 'Unresolved tag: a text that begins with ! needs quotes'],
  [/^Could not resolve tag|^Not a valid tag|^Verbatim tags|^The .* tag has no suffix/s, 'Not a valid tag'],
  [/ used for .* collection, but expects /s, 'A tag of another kind of value'],
  [/^Unresolved alias/, 'Unresolved alias: a text that begins with * needs quotes'],
  [/^Block scalar header includes extra characters/, 'Block scalar header includes extra characters'],
  [/^Invalid escape sequence/, 'Invalid escape sequence: a backslash in double quotes is written twice'],
  [/^Plain value cannot start with/, 'A text that begins with a special character needs quotes'],
  [/^Anchor must not contain/, 'Anchor must not contain whitespace or control characters'],
  [
    /^(Unknown directive|Unsupported YAML version)/,
    'Unknown directive: a text that begins with % needs quotes',
  ],
  [/^(Not a YAML token|Unexpected \S+ token in YAML)/, 'Unexpected text'],
];

/** The first line of the parser's error. Further lines quote the text, which may have a secret. */
function notYaml(error: unknown, what: string): ConfigError {
  const message = messageOf(error);
  const [, where = ''] = /( at line \d+, column \d+):?\n/.exec(message) ?? [];
  const [firstLine = ''] = message.split('\n');
  const instead = quoting.find(([says]) => says.test(message))?.[1];
  return new ConfigError(
    `${what} is not YAML: ${instead === undefined ? firstLine.replace(/:$/, '') : instead + where}`,
    { code: 'config-file' },
  );
}
