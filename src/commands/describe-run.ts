import { stringify } from 'yaml';
import { ConfigError, messageOf } from '../core/errors.ts';
import type { Manager } from '../workers/methods/contract.ts';
import { loadManager } from '../workers/methods/load.ts';
import type { CommandLine } from './command-line.ts';
import { asyncApiDocument } from './describe-document.ts';
import { schemaDocument } from './describe-schemas.ts';

export interface DescribeFlags {
  readonly schemas: boolean;
  readonly json: boolean;
}

/** Prints the contract of a configuration. Rejects with ConfigError if the configuration or its manager module is wrong. */
export async function describe(
  line: CommandLine,
  file: string,
  { schemas, json }: DescribeFlags,
): Promise<void> {
  const config = await line.loadSending(file);
  const manager = await managerOf(config.manager);
  const document = schemas ? schemaDocument(manager) : asyncApiDocument(config, manager);
  // An alias of YAML would save little, and not every reader of AsyncAPI knows it.
  const text = json
    ? JSON.stringify(document, undefined, 2)
    : stringify(document, { aliasDuplicateObjects: false });
  line.print(text);
}

async function managerOf(url: string): Promise<Manager> {
  try {
    return await loadManager(url === '' ? undefined : url);
  } catch (error) {
    throw new ConfigError(`manager: ${messageOf(error)}`, { cause: error, code: 'manager' });
  }
}
