import type { Command } from 'commander';
import { startConductor } from '../conductor.ts';
import { createLogger } from '../core/logger.ts';
import type { CommandLine } from './command-line.ts';

/** `conductor start`. */
export function addStart(program: Command, line: CommandLine): void {
  program
    .command('start')
    .description('run a replica')
    .requiredOption('--config <file>', 'the configuration')
    .action(({ config }: { config: string }) => start(config, line));
}

async function start(file: string, line: CommandLine): Promise<void> {
  const config = await line.load(file);
  const logger = createLogger(config.log.level, line.mask);
  const interrupted = line.interruption();
  const conductor = await startConductor(config, logger, interrupted);
  await new Promise<void>((resolve) => {
    if (interrupted.aborted) resolve();
    interrupted.addEventListener('abort', () => resolve());
  });
  logger.info('stopping');
  await conductor.stop();
}
