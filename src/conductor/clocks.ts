import type { Config } from '../core/config/load.ts';
import { ClockWatch } from '../core/gateway/clock-watch.ts';
import type { Logger } from '../core/logger.ts';
import type { JobsDatabase } from '../jobs/contract.ts';
import { findMuted } from '../jobs/sql/find-muted.ts';

/** The watch over the clocks of guests. It asks the database over a connection of the jobs. */
export function watchClocks({ health }: Config, database: JobsDatabase, logger: Logger): ClockWatch {
  const { mutedAfter } = health;
  return new ClockWatch({
    mutedAfter,
    look: (instanceIds) => database.transaction((db) => findMuted(db, instanceIds, mutedAfter)),
    logger,
  });
}
