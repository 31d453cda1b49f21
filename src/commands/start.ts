import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';

/** `conductor start`. */
export function addStart(program: Command, line: CommandLine): void {
  program
    .command('start')
    .description('run a replica')
    .requiredOption('--config <file>', 'the configuration')
    .action(async ({ config }: { config: string }) => {
      const { start } = await import('./start-run.ts');
      await start(config, line);
    });
}
