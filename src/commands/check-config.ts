import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';
import { type ConfigFlag, configFileOf, withConfigFile } from './config-file.ts';
import { withExamples } from './examples.ts';

interface CheckFlags extends ConfigFlag {
  readonly json: boolean;
}

/** `conductor check-config`. */
export function addCheckConfig(program: Command, line: CommandLine): void {
  const command = withConfigFile(program.command('check-config'))
    .description('check a configuration, print the settings that result, and say which are not the defaults')
    .option('--json', 'print the settings only, as JSON', false)
    .addHelpText(
      'after',
      '\nIt connects to nothing. The result of the check stands in comments below the settings.\n',
    )
    .action(async (argument: string | undefined, flags: CheckFlags) => {
      const file = configFileOf(argument, flags);
      const { printable } = await import('../core/config/load.ts');
      const config = await line.load(file);
      if (flags.json) return line.print(JSON.stringify(printable(config)));
      const { stringify } = await import('yaml');
      const { verdictOn } = await import('./config-verdict.ts');
      line.print(`${stringify(printable(config))}\n${verdictOn(config, file)}`);
    });
  withExamples(command, [
    'all values, defaults included; secrets are masked',
    'conductor check-config conductor.yaml',
  ]);
}
