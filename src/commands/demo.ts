import type { Command } from 'commander';
import { type CommandLine, seconds } from './command-line.ts';

/** `conductor demo`. */
export function addDemo(program: Command, line: CommandLine): void {
  program
    .command('demo')
    .description('Postgres, an MQTT broker, simulated guests and a conductor in one process')
    .option('--for <seconds>', 'end by itself after so long', seconds)
    .action(async (options: { for?: number }) => {
      const { runDemo } = await import('./demo-run.ts');
      await runDemo(options.for, line.interruption());
    });
}
