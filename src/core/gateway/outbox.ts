import { type BackoffOptions, fullJitter, pause } from '../backoff.ts';
import { settledBy } from '../deadline.ts';
import { messageOf, NotConnected } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { ClaimedNotification, PublishedNotifications } from '../message/notification.ts';
import { Outage } from '../quiet-log.ts';
import { Semaphore } from '../semaphore.ts';
import type { Session } from '../transport/contract.ts';

export interface OutboxOptions {
  /** Claims due notifications of the transport for half a minute. Rejects if the database is away. */
  readonly claim: () => Promise<ReadonlyArray<ClaimedNotification>>;
  /** Stores their results. Rejects if the database is away. */
  readonly settle: (settled: PublishedNotifications) => Promise<void>;
  /** The transport's open session; undefined while there is none. */
  readonly session: () => Pick<Session, 'publish'> | undefined;
  /** Milliseconds to wait until the broker accepts a notification: ten seconds at most, since a claim holds only so long. */
  readonly patience: number;
  /** Between two tries while the session cannot publish. */
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
}

/** Milliseconds after a claim in which publications begin. With the patience it is shorter than the claim holds. */
const publishingTime = 15_000;

/** Instances whose notifications are published side by side. */
const width = 64;

/**
 * Late publications, at most, with which further ones begin: a broker that takes nothing for hours, such as a RabbitMQ without memory,
 * must not fill ours.
 */
const maxLate = 64;

/** The findings of one round. */
interface Findings {
  readonly published: string[];
  readonly failed: { row: string; error: string }[];
  readonly released: string[];
  /** Why the session cannot publish, if it cannot. */
  lost: string | undefined;
}

/**
 * Publishes a transport's notifications from the outbox, which all replicas share: claim, publish, then delete. A replica that is lost
 * between these steps leaves its claims to the others, so a notification may be published twice.
 *
 * The notifications of an instance are published one after the other. If one fails, those behind it wait for it.
 */
export class OutboxPublisher {
  private readonly options: OutboxOptions;
  private readonly ending = new AbortController();
  private readonly outage = new Outage();
  /** Rows whose publication the broker has neither accepted nor refused in time. */
  private readonly late = new Set<string>();
  private loop: Promise<void> = Promise.resolve();
  private isRunning = false;
  /** Whether there may be more to publish. */
  private again = false;
  /** How often in a row the session could not publish. */
  private failures = 0;
  /** Milliseconds of the monotonic clock. */
  private notBefore = 0;
  /** Notifications that a broker has accepted, and tries that failed. */
  readonly counts = { published: 0, failed: 0 };
  /** Why notifications wait, as far as the last run has found. */
  private problem: string | undefined;

  constructor(options: OutboxOptions) {
    this.options = options;
  }

  /** There may be notifications to publish. Returns at once. */
  wake(): void {
    this.again = true;
    if (this.isRunning) return;
    this.isRunning = true;
    this.problem = undefined;
    this.loop = this.run();
  }

  /**
   * Publishes what is due. Resolves when nothing is left that can be published now, or when the signal is aborted: with the reason why
   * notifications wait, if any do. Never rejects.
   */
  async publishDue(signal: AbortSignal): Promise<string | undefined> {
    this.wake();
    await settledBy(this.loop, signal);
    return this.problem;
  }

  /** Publishes the due notifications until the deadline, then gives up its claims. Never rejects. */
  async stop(deadline: AbortSignal, end: AbortSignal): Promise<void> {
    await this.publishDue(deadline);
    this.ending.abort();
    await settledBy(this.loop, end);
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    while (this.again && this.mayClaim) {
      this.again = false;
      this.again = (await this.round()) || this.again;
    }
    this.isRunning = false;
  }

  private get mayClaim(): boolean {
    const isOpen = !this.ending.signal.aborted && this.options.session() !== undefined;
    return isOpen && this.late.size < maxLate && performance.now() >= this.notBefore;
  }

  /** One claim. Resolves with whether there may be more to do now. Never rejects. */
  private async round(): Promise<boolean> {
    const until = performance.now() + publishingTime;
    const findings: Findings = { published: [], failed: [], released: [], lost: undefined };
    try {
      const claimed = await this.options.claim();
      if (claimed.length === 0) return false;
      const chains = Map.groupBy(claimed, ({ row, instanceId }) =>
        instanceId === null ? `row ${row}` : `instance ${instanceId}`,
      );
      const side = new Semaphore(width);
      await Promise.all(
        [...chains.values()].map(async (chain) => {
          await side.take();
          await this.publishChain(chain, until, findings);
          side.give();
        }),
      );
      await this.options.settle(findings);
    } catch (error) {
      this.report(messageOf(error));
      return false;
    }
    this.note(findings);
    return findings.lost === undefined;
  }

  /** Publishes the notifications of one instance in their order, up to the first that fails. Never rejects. */
  private async publishChain(
    chain: ReadonlyArray<ClaimedNotification>,
    until: number,
    findings: Findings,
  ): Promise<void> {
    let isBlocked = false;
    for (const notification of chain) {
      const { row } = notification;
      const mayBegin = performance.now() < until && this.late.size < maxLate && !this.ending.signal.aborted;
      if (isBlocked || !mayBegin || findings.lost !== undefined) {
        findings.released.push(row);
        continue;
      }
      try {
        await this.publish(notification);
        findings.published.push(row);
      } catch (error) {
        isBlocked = true;
        if (error instanceof NotConnected) {
          findings.lost = error.message;
          findings.released.push(row);
        } else findings.failed.push({ row, error: `${notification.topic}: ${messageOf(error)}` });
      }
    }
  }

  /** Rejects with NotConnected if the session cannot publish now, with another error if the broker does not take this message. */
  private async publish({ row, topic, messageId, body, trace }: ClaimedNotification): Promise<void> {
    if (this.late.has(row)) throw new Error('the broker has not accepted an earlier try yet');
    const session = this.options.session();
    if (session === undefined) throw new NotConnected('there is no connection');
    const plain = { to: { kind: 'topic', name: topic }, body, messageId } as const;
    const publishing = session.publish(trace === null ? plain : { ...plain, trace });
    const waiting = new AbortController();
    const { patience } = this.options;
    const passed = pause(patience, AbortSignal.any([waiting.signal, this.ending.signal])).then(() => 'late');
    const first = await Promise.race([publishing, passed]).finally(() => waiting.abort());
    if (first !== 'late') return;
    this.late.add(row);
    const isOver = () => void this.late.delete(row);
    publishing.then(isOver, isOver);
    if (this.ending.signal.aborted) throw new NotConnected('the replica stops');
    throw new Error(`the broker has not accepted it in ${patience} ms`);
  }

  private note({ published, failed, lost }: Findings): void {
    const { backoff, logger } = this.options;
    this.counts.published += published.length;
    this.counts.failed += failed.length;
    if (published.length > 0) this.failures = 0;
    if (lost !== undefined) {
      this.notBefore = performance.now() + fullJitter(this.failures, backoff);
      this.failures += 1;
    }
    const because = lost ?? failed[0]?.error;
    if (because !== undefined) this.report(because);
    else if (published.length > 0 && this.outage.end()) logger.info('notifications are published again');
  }

  private report(because: string): void {
    if (this.ending.signal.aborted) return;
    this.problem = because;
    if (this.outage.fail(because))
      this.options.logger.warn({ code: 'notifications-wait', because }, 'notifications wait');
  }
}
