import { pause } from '../core/backoff.ts';
import { settledBy } from '../core/deadline.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { Outage } from '../core/quiet-log.ts';
import type { JobsDatabase } from './contract.ts';
import { giveSign, type Registration, takeLeave } from './sql/register-replica.ts';

export interface RegistryOptions {
  readonly replica: string;
  /** Read at each sign of life. */
  readonly registrations: () => ReadonlyArray<Registration>;
  /** Milliseconds for which the oldest message is unsettled. */
  readonly oldestUnsettled: () => number;
  /** Milliseconds between two signs of life. */
  readonly interval: number;
  readonly database: JobsDatabase;
  readonly logger: Logger;
}

/** Signs of life that may be late, before this replica has to think that it was away itself. */
const lateSigns = 3;

/** Milliseconds for the first sign of life. The replica starts without it if the database does not answer. */
const firstPatience = 5000;

/**
 * Registers this replica in the table `replicas`, with signs of life, so that its peers know it. An error is logged and does no harm: peers
 * take this replica for gone then, and give way as soon as it claims its sessions.
 */
export class Registry {
  private readonly options: RegistryOptions;
  private readonly stopping = new AbortController();
  private readonly outage = new Outage();
  private loop: Promise<void> = Promise.resolve();
  private hasSigned = false;
  private signedAt = 0;
  /** Since when no sign of life was late. Milliseconds of the monotonic clock; undefined: the last one is late. */
  private steadySince: number | undefined;

  constructor(options: RegistryOptions) {
    this.options = options;
  }

  /** Gives the first sign of life, then one after the other. Never rejects. Resolves after the first one, or after some seconds. */
  async start(): Promise<void> {
    const first = this.sign();
    this.loop = first.then(() => this.repeat());
    await settledBy(first, AbortSignal.timeout(firstPatience));
  }

  /**
   * Milliseconds for which this replica has given its signs of life in time. A peer that could reach the database had the same
   * opportunity.
   */
  get steadyFor(): number {
    const now = performance.now();
    if (this.steadySince === undefined || now - this.signedAt > lateSigns * this.options.interval) return 0;
    return now - this.steadySince;
  }

  /**
   * Gives no more signs of life, and takes the replica's rows away. Those of sessions that may hold messages stay for its peers. Never
   * rejects.
   *
   * @param leavesNothing whether the broker keeps nothing for this replica over that transport.
   */
  async leave(leavesNothing: (transport: string) => boolean, deadline: AbortSignal): Promise<void> {
    this.stopping.abort();
    const { database, replica, registrations } = this.options;
    const leaving = this.loop.then(async () => {
      if (!this.hasSigned || deadline.aborted) return;
      const known = registrations().map((one) => ({
        ...one,
        leavesNothing: one.kept === undefined || leavesNothing(one.transport),
      }));
      await database.transaction((db) => takeLeave(db, replica, known));
    });
    await settledBy(leaving, deadline);
  }

  private async repeat(): Promise<void> {
    const { signal } = this.stopping;
    for (;;) {
      await pause(this.options.interval, signal);
      if (signal.aborted) return;
      await this.sign();
    }
  }

  /** Never rejects. */
  private async sign(): Promise<void> {
    const { database, replica, registrations, oldestUnsettled, interval, logger } = this.options;
    try {
      const adopted = await database.transaction((db) =>
        giveSign(db, {
          replica,
          registrations: registrations(),
          oldestUnsettled: oldestUnsettled(),
          isFirst: !this.hasSigned,
        }),
      );
      const now = performance.now();
      if (now - this.signedAt > lateSigns * interval) this.steadySince = undefined;
      this.steadySince ??= now;
      this.signedAt = now;
      this.hasSigned = true;
      if (this.outage.end()) logger.info('signs of life are given again');
      if (adopted.length > 0)
        logger.warn(
          { code: 'adopted-by-peer', clientIds: adopted },
          'this replica was silent for longer than adopt.after: a peer has taken over the messages that the broker kept for it',
        );
    } catch (error) {
      this.steadySince = undefined;
      if (this.outage.fail(messageOf(error)))
        logger.warn(
          { code: 'no-sign-of-life', because: messageOf(error) },
          'no sign of life can be given: peers may take this replica for gone',
        );
    }
  }
}
