import type { Conductor } from '../conductor/replica.ts';
import { lastMoment } from '../conductor/stop.ts';
import { startConductor } from '../conductor.ts';
import { unlessAborted } from '../core/deadline.ts';
import { createLogger, type Logger } from '../core/logger.ts';
import type { CommandLine } from './command-line.ts';
import { HardEnd } from './hard-end.ts';
import { reloadUponSignal } from './reload.ts';

/** Runs a replica until it is interrupted. */
export async function start(file: string, line: CommandLine): Promise<void> {
  const config = await line.load(file);
  const logger = createLogger(config.log.level, (text) => line.mask(text));
  const hardEnd = new HardEnd();
  hardEnd.uponFaults(logger);
  const interrupted = line.interruption(() => hardEnd.now());
  boundStop(config.shutdown.deadline, interrupted, logger);
  let replica: Conductor | undefined;
  const starting = startConductor(config, logger, interrupted, (made) => {
    replica = made;
    hardEnd.release = made.abandon;
  });
  reloadUponSignal({ load: () => line.load(file), starting, logger });
  // A replica that waits for its database has nothing to stop.
  await unlessAborted(starting, interrupted);
  await aborted(interrupted);
  logger.info('stopping');
  await replica?.stop();
  // The process is about to end with another exit code.
  if (hardEnd.begun) await new Promise(() => {});
}

/** Ends the process at the deadline if its stop hangs. */
function boundStop(deadline: number, interrupted: AbortSignal, logger: Logger): void {
  interrupted.addEventListener('abort', () => {
    setTimeout(() => {
      logger.error(
        { code: 'stop-late', deadline },
        'the stop has not ended within shutdown.deadline: the process ends now',
      );
      process.exit(1);
    }, lastMoment(deadline)).unref();
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
