import type { Command } from 'commander';
import { type CommandLine, seconds } from './command-line.ts';
import { withExamples } from './examples.ts';

/** `conductor demo`. */
export function addDemo(program: Command, line: CommandLine): void {
  const command = program
    .command('demo')
    .description('Postgres, an MQTT broker, simulated guests and a conductor in one process')
    .option('--for <seconds>', 'end by itself after so long', seconds)
    .action(async (options: { for?: number }) => {
      const { runDemo } = await import('./demo-run.ts');
      await runDemo(options.for, line.interruption());
    });
  withExamples(command, ['until Ctrl-C', 'conductor demo'], ['for ten seconds', 'conductor demo --for 10']);
}
