import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';
import { type ConfigFlag, configFileOf, withConfigFile } from './config-file.ts';
import { withExamples } from './examples.ts';

/** `conductor doctor`. */
export function addDoctor(program: Command, line: CommandLine): void {
  const command = withConfigFile(program.command('doctor'))
    .description(
      'try every connection, permission and setting of a configuration, and say what is wrong and what to do',
    )
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nIt changes nothing on a broker or in the database, and takes no message.\n')
    .action(async (file: string | undefined, flags: ConfigFlag & { json: boolean }) => {
      const { doctor } = await import('./doctor-run.ts');
      await doctor(line, configFileOf(file, flags), flags);
    });
  withExamples(
    command,
    ['before the first start', 'conductor doctor conductor.yaml'],
    ['for a program', 'conductor doctor conductor.yaml --json'],
  );
}
