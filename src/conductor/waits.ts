import type { Config } from '../core/config/load.ts';
import type { StatusWaitsOptions } from '../core/gateway/status-waits.ts';
import type { Logger } from '../core/logger.ts';
import type { JobsDatabase } from '../jobs/contract.ts';
import { findStatusChanges } from '../jobs/sql/find-status-changes.ts';

/** How calls of `await_status` wait. They use a connection of the jobs, all of them together. */
export function statusWaits(config: Config, database: JobsDatabase, logger: Logger): StatusWaitsOptions {
  // An unsettled message would keep all later ones from being acknowledged.
  const strict = new Set(
    config.transports.filter(({ printable }) => printable.ackOrder === 'strict').map(({ name }) => name),
  );
  return {
    look: (waits) => database.transaction((db) => findStatusChanges(db, waits)),
    maxWaiters: config.calls.maxWaiters,
    mayHold: (transport) => !strict.has(transport),
    logger,
  };
}
