import type { Command } from 'commander';
import type { CommandLine } from './command-line.ts';
import { withExamples } from './examples.ts';

/** `conductor start`. */
export function addStart(program: Command, line: CommandLine): void {
  const command = program
    .command('start')
    .description('run a replica')
    .requiredOption('--config <file>', 'the configuration')
    .action(async ({ config }: { config: string }) => {
      const { start } = await import('./start-run.ts');
      await start(config, line);
    });
  withExamples(
    command,
    ['a replica; start as many as you like', 'conductor start --config conductor.yaml'],
    [
      'with a name that stays, as MQTT needs it in a container',
      'CONDUCTOR_REPLICA=conductor-1 conductor start --config conductor.yaml',
    ],
  );
}
