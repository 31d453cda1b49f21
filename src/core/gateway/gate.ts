import { type BackoffOptions, fullJitter } from '../backoff.ts';
import type { HoldCause } from '../hold-causes.ts';
import type { Logger } from '../logger.ts';
import { Outage } from '../quiet-log.ts';

export interface GateOptions {
  /** The pause between probes while the database cannot take messages. */
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
}

/** Called when the gate changes its state. */
export interface GateEvents {
  readonly onHold: () => void;
  readonly onProbe: () => void;
  readonly onFlow: () => void;
}

/**
 * Says whether messages flow to the workers.
 *
 * ```
 *            a result with held messages                    the pause is over
 *  flowing ──────────────────────────────► holding ───────────────────────────► probing
 *     ▲                                       ▲  sessions paused, no batch runs     │ one batch runs
 *     │                                       └─────────────────────────────────────┤ held again
 *     └─────────────────────────────────────────────────────────────────────────────┘ committed, or nothing to probe with
 * ```
 *
 * While the replica is parked, the gate holds and has no pause. Its next probe is at the end of the park.
 */
export class Gate {
  private readonly options: GateOptions;
  private readonly events: GateEvents;
  private readonly outage = new Outage();
  private failures = 0;
  private retry: NodeJS.Timeout | undefined;
  state: 'flowing' | 'holding' | 'probing' = 'flowing';
  /** Why messages are held now; undefined while they flow. */
  heldBecause: string | undefined;
  heldCause: HoldCause | undefined;
  /** Since when they are held, however often the reason has changed. Milliseconds since the epoch. */
  heldSince: number | undefined;

  constructor(options: GateOptions, events: GateEvents) {
    this.options = options;
    this.events = events;
  }

  hold(because: string, cause: HoldCause = 'worker-failed'): void {
    // Results of batches that were already running carry no news.
    if (this.state === 'holding') return;
    const { backoff, logger } = this.options;
    const delay = fullJitter(this.failures, backoff);
    this.failures += 1;
    this.state = 'holding';
    this.heldBecause = because;
    this.heldSince ??= Date.now();
    this.heldCause = cause;
    logger[this.outage.fail(because) ? 'error' : 'debug'](
      { code: cause, because, failures: this.failures, retryInMs: Math.round(delay) },
      'messages are held, nothing is lost',
    );
    this.events.onHold();
    this.retry = setTimeout(() => {
      this.state = 'probing';
      this.events.onProbe();
    }, delay);
  }

  flow(): void {
    if (this.state !== 'probing') return;
    this.state = 'flowing';
    this.heldBecause = undefined;
    this.heldSince = undefined;
    this.heldCause = undefined;
    const { failures } = this;
    this.failures = 0;
    this.options.logger[this.outage.end() ? 'info' : 'debug']({ failures }, 'messages flow again');
    this.events.onFlow();
  }

  /** Holds without probes until `unpark`: the messages go back to the brokers, and nothing is left to probe with. */
  park(): void {
    if (this.state === 'flowing') return;
    clearTimeout(this.retry);
    this.state = 'holding';
  }

  /** Ends the hold, unless messages are left that the brokers do not take back. Then these are the probe. */
  unpark(): void {
    if (this.state !== 'holding') return;
    this.state = 'probing';
    this.events.onProbe();
  }

  /** Cancels the next probe. */
  stop(): void {
    clearTimeout(this.retry);
  }
}
