import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';
import { withExamples } from './examples.ts';

/** `conductor doctor`. */
export function addDoctor(program: Command, line: CommandLine): void {
  const command = program
    .command('doctor <file>')
    .description(
      'try every connection, permission and setting of a configuration, and say what is wrong and what to do',
    )
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nIt changes nothing on a broker or in the database, and takes no message.\n')
    .action(async (file: string, flags: { json: boolean }) => {
      const { doctor } = await import('./doctor-run.ts');
      await doctor(line, file, flags);
    });
  withExamples(
    command,
    ['before the first start', 'conductor doctor conductor.yaml'],
    ['for a program', 'conductor doctor conductor.yaml --json'],
  );
}
