import type { Command } from 'commander';
import { stringify } from 'yaml';
import { ConfigError, messageOf } from '../core/errors.ts';
import type { Manager } from '../workers/methods/contract.ts';
import { loadManager } from '../workers/methods/load.ts';
import type { CommandLine } from './command-line.ts';
import { asyncApiDocument } from './describe-document.ts';
import { schemaDocument } from './describe-schemas.ts';
import { withExamples } from './examples.ts';

interface Flags {
  schemas: boolean;
  json: boolean;
}

/** `conductor describe`. */
export function addDescribe(program: Command, line: CommandLine): void {
  const command = program
    .command('describe <file>')
    .description('print the contract of a configuration: its channels, messages and answers as AsyncAPI 3.0')
    .option('--schemas', "print the JSON Schema of each method's arguments and result", false)
    .option('--json', 'print JSON instead of YAML', false)
    .addHelpText('after', '\nIt connects to nothing. The manager module of the configuration is loaded.\n')
    .action(async (file: string, { schemas, json }: Flags) => {
      const config = await line.loadSending(file);
      const manager = await managerOf(config.manager);
      const document = schemas ? schemaDocument(manager) : asyncApiDocument(config, manager);
      // An alias of YAML would save little, and not every reader of AsyncAPI knows it.
      const text = json
        ? JSON.stringify(document, undefined, 2)
        : stringify(document, { aliasDuplicateObjects: false });
      line.print(text);
    });
  withExamples(
    command,
    ['the AsyncAPI document, for its tools', 'conductor describe conductor.yaml --json'],
    ['the schemas of all methods', 'conductor describe conductor.yaml --schemas'],
  );
}

async function managerOf(url: string): Promise<Manager> {
  try {
    return await loadManager(url === '' ? undefined : url);
  } catch (error) {
    throw new ConfigError(`manager: ${messageOf(error)}`, { cause: error, code: 'manager' });
  }
}
