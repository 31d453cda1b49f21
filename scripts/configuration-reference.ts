/** `npm run docs`: writes docs/configuration.md from the schemas, the one place that describes options. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { environmentName } from '../src/core/config/environment.ts';
import { baseSchema } from '../src/core/config/schema.ts';
import { messageOf } from '../src/core/errors.ts';
import { jsonTypeOf } from '../src/core/json.ts';
import { isOption, type Option, type Section } from '../src/core/options.ts';
import { transportKinds } from '../src/transports/index.ts';

export const referenceFile = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));

/** Defaults that differ between machines, in words. */
const describedDefaults: Readonly<Record<string, string>> = { replica: 'the host name' };

const introduction = `<!-- Written by \`npm run docs\` from the schemas in src/: change those. -->

# Configuration

The configuration is one YAML file, given as \`--config FILE\`. \`conductor check-config FILE\` checks it and prints all values, with
defaults included and secrets masked. Comments below the values name those that are not the defaults, and end with the result: the file is right.
So the output stays YAML; \`--json\` prints the values only. If a key is unknown, or a value has the wrong type or is out of range, the command ends with
exit code 2 and a line that names the key. [config/](../config) has an example with comments for each kind of transport.

Each key has an environment variable, which overrides the file. So the file need not contain passwords. A variable for a text contains the
text itself. Any other variable has the form of the file, such as \`true\` or \`{ x-queue-type: quorum }\`. A variable that begins with
\`CONDUCTOR_\` and belongs to no key is an error. In the variables of a transport, \`<NAME>\` is its name in capitals, with \`_\` in place of
\`-\`.
`;

/** The whole page. */
export function renderReference(): string {
  const kinds = Object.entries(transportKinds).map(([kind, { schema }]) => renderKind(kind, schema));
  const base = ['## Keys\n', renderSection(baseSchema, [], '###')].join('\n');
  return [introduction, base, transports, ...kinds].join('\n');
}

const transports = `## Transports

\`transports\` has an entry for each broker that guests publish to. Choose any names. Each entry has a \`kind\` and the keys of that
kind.
`;

function renderKind(kind: string, schema: Section): string {
  return [`### \`kind: ${kind}\`\n`, renderSection(schema, ['transports', '<name>'], '####')].join('\n');
}

function renderSection(section: Section, path: readonly string[], heading: string): string {
  return optionsOf(section, [])
    .map(({ key, option }) => `${heading} ${renderOption(key, [...path, ...key], option)}`)
    .join('\n');
}

interface Entry {
  readonly key: string[];
  readonly option: Option;
}

function optionsOf(section: Section, path: string[]): Entry[] {
  return Object.entries(section).flatMap(([name, node]) => {
    const key = [...path, name];
    return isOption(node) ? [{ key, option: node }] : optionsOf(node, key);
  });
}

function renderOption(key: readonly string[], path: readonly string[], option: Option): string {
  return [
    `\`${key.join('.')}\`\n`,
    `${option.doc}\n`,
    `- Default: ${defaultOf(key.join('.'), option)}`,
    `- Accepted: ${acceptedBy(option)}`,
    `- Environment: \`${environmentName(path)}\`\n`,
  ].join('\n');
}

function defaultOf(key: string, option: Option): string {
  const described = describedDefaults[key];
  if (described !== undefined) return described;
  if (option.default !== '') return `\`${JSON.stringify(option.default)}\``;
  return accepts(option, '') ? 'empty' : 'none, it is required';
}

/** The condition on a value, taken from the option's own error. */
function acceptedBy(option: Option): string {
  if (Array.isArray(option.format)) return option.format.map((word) => `\`${word}\``).join(', ');
  const [type, ...problems] = [jsonTypeOf(option.default), problemOf(option, '?'), problemOf(option, '')];
  const rule = problems.find((problem) => problem?.startsWith('must be '));
  return rule?.slice('must be '.length) ?? names[type] ?? type;
}

const names: Readonly<Record<string, string>> = {
  'a boolean': '`true` or `false`',
  'a string': 'a text',
  'an object': 'a map',
};

const accepts = (option: Option, value: unknown) => problemOf(option, value) === undefined;

function problemOf({ format }: Option, value: unknown): string | undefined {
  if (typeof format !== 'function') return undefined;
  try {
    format(value);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

if (import.meta.main) await writeFile(referenceFile, renderReference());
