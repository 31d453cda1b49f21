import type { Config } from '../core/config/load.ts';
import type { Dispatcher } from '../core/gateway/dispatcher.ts';
import type { Logger } from '../core/logger.ts';
import { adoptJob } from '../jobs/adopt.ts';
import type { Job, JobsDatabase } from '../jobs/contract.ts';
import { Registry } from '../jobs/registry.ts';
import type { ReplicaTransport } from './transport.ts';

/** Milliseconds between two signs of life, at most. */
const longestInterval = 5000;

/** Milliseconds that a round of an adoption takes, at most. */
const longestRound = 120_000;

/** The replica as its peers see it, and what it does for those that are gone. */
export interface Peers {
  readonly registry: Registry;
  /** The jobs that take over the sessions of peers. */
  readonly jobs: ReadonlyArray<Job>;
}

export function createPeers(
  { replica, adopt, health }: Config,
  transports: ReadonlyArray<ReplicaTransport>,
  dispatcher: Pick<Dispatcher, 'oldestUnsettled'>,
  database: JobsDatabase,
  logger: Logger,
): Peers {
  const { after } = adopt;
  const registry = new Registry({
    replica,
    registrations: () =>
      transports.map(({ name, supervisor }) => ({ transport: name, kept: supervisor.transport.kept })),
    oldestUnsettled: () => dispatcher.oldestUnsettled,
    // A peer may not take a replica for gone because of one sign of life that is late.
    interval: after === 0 ? longestInterval : Math.min(longestInterval, after / 5),
    database,
    logger,
  });
  const jobs = transports.flatMap(({ name, supervisor, adopter, logger: child }) => {
    const { kept } = supervisor.transport;
    if (adopter === undefined || kept === undefined) return [];
    return adoptJob({
      transport: name,
      replica,
      clientId: kept.clientId,
      after,
      longestRound: Math.min(longestRound, (health.wedgedAfter || longestRound) * 5),
      // The broker sends to this session what no longer goes to the adopted one.
      mayAdopt: () => registry.steadyFor >= after && supervisor.state === 'consuming',
      adopt: (...adoption) => adopter.adopt(...adoption),
      database,
      logger: child,
    });
  });
  return { registry, jobs };
}
