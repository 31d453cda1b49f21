import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';
import { type ConfigFlag, configFileOf, withConfigFile } from './config-file.ts';
import type { DescribeFlags } from './describe-run.ts';
import { withExamples } from './examples.ts';

/** `conductor describe`. */
export function addDescribe(program: Command, line: CommandLine): void {
  const command = withConfigFile(program.command('describe'))
    .description('print the contract of a configuration: its channels, messages and answers as AsyncAPI 3.0')
    .option('--schemas', "print the JSON Schema of each method's arguments and result", false)
    .option('--json', 'print JSON instead of YAML', false)
    .addHelpText('after', '\nIt connects to nothing. The manager module of the configuration is loaded.\n')
    .action(async (file: string | undefined, flags: ConfigFlag & DescribeFlags) => {
      const { describe } = await import('./describe-run.ts');
      await describe(line, configFileOf(file, flags), flags);
    });
  withExamples(
    command,
    ['the AsyncAPI document, for its tools', 'conductor describe conductor.yaml --json'],
    ['the schemas of all methods', 'conductor describe conductor.yaml --schemas'],
  );
}
