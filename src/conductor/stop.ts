import type { AdminServer } from '../admin/server.ts';
import { settledBy } from '../core/deadline.ts';
import type { DeadLetterLog } from '../core/gateway/dead-letter-log.ts';
import type { Dispatcher, Inlet } from '../core/gateway/dispatcher.ts';
import type { Supervisor } from '../core/gateway/supervisor.ts';
import type { Logger } from '../core/logger.ts';
import type { DatabaseProbe } from '../database/probe.ts';
import type { JobsConnections } from '../jobs/contract.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Registry } from '../jobs/registry.ts';
import type { WorkerPool } from '../workers/pool.ts';
import type { ReplicaOutbox } from './outbox.ts';

/** The parts of a replica that a stop ends. */
export interface StoppingParts {
  /** Milliseconds that the whole stop may take. */
  readonly deadline: number;
  readonly transports: ReadonlyArray<{
    readonly name: string;
    readonly inlet: Pick<Inlet, 'counters'>;
    readonly supervisor: Pick<Supervisor, 'drain' | 'stop' | 'leavesNothing'>;
  }>;
  readonly dispatcher: Pick<Dispatcher, 'idle' | 'stop'>;
  readonly jobs: Pick<Jobs, 'stop'>;
  readonly registry: Pick<Registry, 'leave'>;
  readonly connections: Pick<JobsConnections, 'close'>;
  readonly outbox: Pick<ReplicaOutbox, 'stop'>;
  /** What looks at the database, at the messages in flight and at the jobs now and then. */
  readonly watches: ReadonlyArray<{ stop(): void }>;
  readonly probe: Pick<DatabaseProbe, 'close'>;
  readonly pool: Pick<WorkerPool, 'close'>;
  readonly deadLetters: Pick<DeadLetterLog, 'stop'>;
  /** The server of health; undefined before it has started. */
  readonly admin: () => AdminServer | undefined;
  readonly logger: Logger;
}

/** Milliseconds in which messages are given back when the process ends at once. */
const abandonPatience = 300;

/**
 * Ends a replica.
 *
 * ```
 *  running ──stop──► draining ──all settled, or the deadline──► closing ──► ended
 *     └──────abandon────┴──► messages are given back, whatever runs ──► ended
 * ```
 */
export class Stopping {
  private readonly parts: StoppingParts;
  private stopped: Promise<void> | undefined;
  private isBegun = false;

  constructor(parts: StoppingParts) {
    this.parts = parts;
  }

  /** Whether the replica stops or has stopped. True before the first broker is asked to deliver nothing more. */
  get begun(): boolean {
    return this.isBegun;
  }

  /** Finishes the messages in flight and gives back the rest, within the deadline. Never rejects. A second call does nothing more. */
  stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  /** Gives all messages back to the brokers and closes the connections, within `abandonPatience`. Waits for no worker. Never rejects. */
  async abandon(): Promise<void> {
    this.isBegun = true;
    const { dispatcher, transports } = this.parts;
    dispatcher.stop();
    const patience = AbortSignal.timeout(abandonPatience);
    await Promise.all(transports.map(({ supervisor }) => supervisor.stop(patience, patience)));
  }

  private async end(): Promise<void> {
    this.isBegun = true;
    const {
      deadline,
      transports,
      dispatcher,
      jobs,
      registry,
      connections,
      outbox,
      watches,
      probe,
      pool,
      deadLetters,
      admin,
      logger,
    } = this.parts;
    const { finished, closed, over } = stopDeadlines(deadline);
    for (const watch of watches) watch.stop();
    probe.close();
    await Promise.all([
      // A round of a job waits for the database, which may never answer.
      settledBy(jobs.stop(), finished),
      ...transports.map(({ supervisor }) => supervisor.drain(finished)),
    ]);
    await dispatcher.idle(finished);
    await outbox.stop(finished);
    dispatcher.stop();
    await Promise.all([
      // The results of batches that still run are ignored from here on.
      settledBy(pool.close(), over),
      ...transports.map(({ supervisor }) => supervisor.stop(closed, over)),
    ]);
    const leavesNothing = (transport: string) =>
      transports.some(({ name, supervisor }) => name === transport && supervisor.leavesNothing);
    await registry.leave(leavesNothing, over);
    await settledBy(connections.close(), over);
    // Health tells of the stop until its end.
    await settledBy(Promise.resolve(admin()?.stop()), over);
    deadLetters.stop();
    for (const { name, inlet } of transports) {
      const { received, redelivered, outcomes, released } = inlet.counters;
      logger.info({ transport: name, received, redelivered, ...outcomes, released }, 'stopped');
    }
  }
}

/** The time that is kept for closing, so that the whole stop is within the deadline: a process that takes longer is killed. Milliseconds. */
function reserveOf(deadline: number): number {
  return Math.min(deadline / 4, 2000);
}

/**
 * The deadlines of the steps of a stop: messages in flight are finished, connections to the brokers are closed, all is over. A session may
 * take half a second beyond the second one to write its settlements. The rest is for the end of the process and of its threads, which
 * takes some tenths of a second on a busy machine.
 *
 * @param deadline milliseconds.
 */
function stopDeadlines(deadline: number): Record<'finished' | 'closed' | 'over', AbortSignal> {
  const reserve = reserveOf(deadline);
  return {
    finished: AbortSignal.timeout(Math.floor(deadline - reserve)),
    closed: AbortSignal.timeout(Math.floor(deadline - (3 * reserve) / 4)),
    over: AbortSignal.timeout(Math.floor(deadline - reserve / 2)),
  };
}

/** Milliseconds from the signal on after which a stop that hangs is cut off. */
export function lastMoment(deadline: number): number {
  return Math.floor(deadline - reserveOf(deadline) / 4);
}
