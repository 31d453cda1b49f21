import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';
import { withExamples } from './examples.ts';

/** `conductor check-config`. */
export function addCheckConfig(program: Command, line: CommandLine): void {
  const command = program
    .command('check-config <file>')
    .description('check a configuration and print the settings that result')
    .option('--json', 'print JSON', false)
    .action(async (file: string, { json }: { json: boolean }) => {
      const { printable } = await import('../core/config/load.ts');
      const settings = printable(await line.load(file));
      const { stringify } = await import('yaml');
      line.print(json ? JSON.stringify(settings) : stringify(settings));
    });
  withExamples(command, [
    'all values, defaults included; secrets are masked',
    'conductor check-config conductor.yaml',
  ]);
}
