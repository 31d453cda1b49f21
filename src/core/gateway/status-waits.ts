import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Resumption, StatusWait } from '../message/outcome.ts';
import { Outage } from '../quiet-log.ts';
import type { Delivery, Session } from '../transport/contract.ts';
import type { InFlight } from './in-flight.ts';

/** The changes of an instance's status since a wait began. */
export interface StatusChanges {
  /** The place of the wait in the list that was asked about. */
  readonly index: number;
  /** The statuses that the instance has had since. */
  readonly statuses: ReadonlyArray<string>;
}

export interface StatusWaitsOptions {
  /** Reads the changes of status, of all waits with one statement. Waits without a change are left out. */
  readonly look: (
    waits: ReadonlyArray<Pick<StatusWait, 'instanceId' | 'since'>>,
  ) => Promise<ReadonlyArray<StatusChanges>>;
  /** Calls that wait at once, at most. */
  readonly maxWaiters: number;
  /** Whether a message of this transport may stay unsettled for long. */
  readonly mayHold: (transport: string) => boolean;
  readonly logger: Logger;
}

interface Waiter {
  readonly inFlight: InFlight;
  readonly call: Delivery;
  readonly wait: StatusWait;
  /** When it is told that the time is over. Milliseconds of the monotonic clock. */
  readonly until: number;
}

/** Milliseconds between two looks. Without a waiter there are none. */
const interval = 250;

/**
 * Holds the calls that wait for a status, without a slot and without a connection. While there are any, one statement in `interval`
 * looks for all of them. A call that has waited long enough runs again in a worker, which answers it.
 *
 * A NOTIFY in the transaction of a batch would tell earlier. But Postgres commits notifying transactions one after the other, each
 * with a flush of its own.
 */
export class StatusWaits {
  private readonly options: StatusWaitsOptions;
  private readonly onResume: () => void;
  private readonly waiters = new Map<Delivery, Waiter>();
  /** For calls that run again. */
  private readonly resumed = new WeakMap<Delivery, Resumption>();
  /** When a wait is over, from its first run on. */
  private readonly ends = new WeakMap<Delivery, number>();
  private readonly outage = new Outage();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  /** @param onResume a call waits for a slot again. */
  constructor(options: StatusWaitsOptions, onResume: () => void) {
    this.options = options;
    this.onResume = onResume;
  }

  /** How many calls wait for a status. */
  get size(): number {
    return this.waiters.size;
  }

  /** What a worker has to know about a call that has waited; undefined for all other calls. */
  resumption(call: Delivery): Resumption | undefined {
    return this.resumed.get(call);
  }

  /** Holds a call that keeps its room. Without room for a waiter, it runs again, to be refused. */
  hold(inFlight: InFlight, call: Delivery, wait: StatusWait): void {
    if (this.closed) {
      inFlight.dropCall(call);
      return;
    }
    const until = this.ends.get(call) ?? performance.now() + wait.timeout;
    this.ends.set(call, until);
    const waiter = { inFlight, call, wait, until };
    if (this.waiters.size >= this.options.maxWaiters || !this.hasRoom(inFlight)) {
      this.resume(waiter, 'busy');
      return;
    }
    this.waiters.set(call, waiter);
    inFlight.counters.waiting += 1;
    this.timer ??= setTimeout(() => void this.look(), interval);
  }

  /** A session has ended. The broker delivers its calls again. */
  forget(session: Session): void {
    for (const waiter of [...this.waiters.values()]) if (waiter.call.session === session) this.drop(waiter);
  }

  /** Gives all calls that wait back to the brokers, and those that would wait from now on. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const waiter of [...this.waiters.values()]) this.drop(waiter);
  }

  private drop(waiter: Waiter): void {
    this.leave(waiter);
    waiter.inFlight.dropCall(waiter.call);
  }

  private leave({ inFlight, call }: Waiter): void {
    if (this.waiters.delete(call)) inFlight.counters.waiting -= 1;
  }

  /** Waiters take half of the calls' room, so that other calls always have some. */
  private hasRoom(inFlight: InFlight): boolean {
    const { transport, calls, counters } = inFlight;
    return counters.waiting < calls.room / 2 && this.options.mayHold(transport);
  }

  private resume(waiter: Waiter, end?: Resumption['end']): void {
    const { inFlight, call, wait } = waiter;
    this.leave(waiter);
    this.resumed.set(call, { since: wait.since, end });
    inFlight.calls.putBack(call);
    this.onResume();
  }

  /** One look for all waiters. Never rejects. */
  private async look(): Promise<void> {
    this.endLate();
    const asked = [...this.waiters.values()];
    try {
      const changes = asked.length === 0 ? [] : await this.options.look(asked.map(({ wait }) => wait));
      this.outage.end();
      for (const { index, statuses } of changes) {
        const waiter = asked[index];
        // It may have left while the statement ran.
        if (waiter === undefined || !this.waiters.has(waiter.call)) continue;
        if (waiter.wait.statuses.some((status) => statuses.includes(status))) this.resume(waiter);
      }
    } catch (error) {
      const because = messageOf(error);
      if (!this.closed && this.outage.fail(because))
        this.options.logger.warn(
          { code: 'status-waits', because },
          'calls that wait for a status learn of no change',
        );
    }
    const more = this.waiters.size > 0 && !this.closed;
    this.timer = more ? setTimeout(() => void this.look(), interval) : undefined;
  }

  private endLate(): void {
    const now = performance.now();
    for (const waiter of [...this.waiters.values()]) {
      const { inFlight, call, until } = waiter;
      if ((call.meta.deadline ?? Number.POSITIVE_INFINITY) <= now) {
        this.leave(waiter);
        inFlight.settleCall(call, { outcome: 'expired' });
        this.onResume();
      } else if (until <= now) this.resume(waiter, 'over');
    }
  }
}
