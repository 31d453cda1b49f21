import type { Conductor } from '../conductor/replica.ts';
import type { Config } from '../core/config/load.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { Terminal } from './terminal.ts';

export interface ReloadOptions {
  /** Reads the configuration. */
  readonly load: () => Promise<Config>;
  /** Resolves once the replica has started. */
  readonly starting: Promise<Conductor>;
  readonly logger: Logger;
}

/**
 * Has a replica read its configuration anew at each SIGHUP. A signal during the start counts after it. Signals while the configuration is
 * read count as one. If the signal comes because the terminal is lost, the replica stops in order.
 */
export function reloadUponSignal(options: ReloadOptions): void {
  const terminal = new Terminal();
  let isWanted = false;
  let isRunning = false;
  const run = async () => {
    isRunning = true;
    while (isWanted) {
      isWanted = false;
      await reload(options);
    }
    isRunning = false;
  };
  process.on('SIGHUP', () => {
    if (terminal.isLost()) return;
    isWanted = true;
    if (!isRunning) void run();
  });
}

/** Never rejects. */
async function reload({ load, starting, logger }: ReloadOptions): Promise<void> {
  // A start that fails has a line of its own.
  const replica = await starting.catch(() => undefined);
  if (replica === undefined || replica.isStopping) return;
  try {
    const { changed, needRestart } = await replica.reload(await load());
    logger.info({ changed, needRestart }, 'the configuration was read anew');
  } catch (error) {
    logger.error(
      { code: 'reload-failed', error: messageOf(error) },
      'the configuration was not read anew: the replica keeps its settings. Correct it and send SIGHUP again',
    );
  }
}
