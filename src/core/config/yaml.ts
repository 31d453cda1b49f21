import { parseDocument } from 'yaml';
import { ConfigError, messageOf } from '../errors.ts';

/**
 * Parses YAML. What the parser would only warn of, such as a tag that it does not know, is an error too: it would go on with
 * something else than what was meant.
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
    // Aliases are followed here: one may lead nowhere, or to a text of gigabytes.
    throw notYaml(error, what);
  }
}

/** The parser shows the line and points at the column on further lines. */
function notYaml(error: unknown, what: string): ConfigError {
  const [firstLine = ''] = messageOf(error).split('\n');
  return new ConfigError(`${what} is not YAML: ${firstLine.replace(/:$/, '')}`);
}
