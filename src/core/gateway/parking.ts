import { pause } from '../backoff.ts';
import type { Logger } from '../logger.ts';
import type { Gate } from './gate.ts';
import type { Supervisor } from './supervisor.ts';

export interface ParkingOptions {
  /** Milliseconds that messages are held before they are given back. 0: they are never given back. */
  readonly after: number;
  readonly supervisors: ReadonlyArray<Pick<Supervisor, 'park' | 'unpark'>>;
  readonly gate: Pick<Gate, 'heldBecause' | 'park' | 'unpark'>;
  /** The number of messages committed so far. */
  readonly committed: () => number;
  /** Asks the database. Resolves with its problem, or undefined. Never rejects. */
  readonly probe: () => Promise<string | undefined>;
  readonly logger: Logger;
}

/** Milliseconds between two looks, at most. */
const longestInterval = 1000;

/** The longest time that replicas stay parked although the database answers, in milliseconds. */
const longestPark = 3_600_000;

/** Milliseconds in which the sessions give back their messages. */
const patience = 5000;

/**
 * Gives all messages back to the brokers if they are held for long.
 *
 * A broker counts how often it delivers a message, and drops it in the end. It also takes back messages that nobody settles for long.
 * While the database is away, it would do both again and again. A parked replica has no consumer, so an outage counts once.
 *
 * The database may answer while no message can be committed, for example because its disk is full. Each time that nothing was committed
 * since the last park, the next one lasts longer.
 *
 * ```
 *             messages are held for `after`
 *  flowing ────────────────────────────────────► parked
 *     ▲                                             │
 *     └── the database answers, after a least time ─┘
 * ```
 */
export class Parking {
  private readonly options: ParkingOptions;
  private readonly stopping = new AbortController();
  private heldSince: number | undefined;
  private parkedAt = 0;
  private committedBefore = -1;
  /** How often in a row nothing was committed between two parks. */
  private repeats = 0;
  private isParked = false;

  constructor(options: ParkingOptions) {
    this.options = options;
  }

  start(): void {
    if (this.options.after > 0) void this.run();
  }

  /** Looks no more. A parked replica stays so. */
  stop(): void {
    this.stopping.abort();
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const interval = Math.min(longestInterval, this.options.after / 4);
    while (!signal.aborted) {
      if (this.isParked) await this.unparkIfDatabaseAnswers();
      else await this.parkIfHeldForLong();
      await pause(interval, signal);
    }
  }

  private async parkIfHeldForLong(): Promise<void> {
    const { after, gate, committed, supervisors, logger } = this.options;
    const because = gate.heldBecause;
    const now = performance.now();
    if (because === undefined) {
      this.heldSince = undefined;
      return;
    }
    this.heldSince ??= now;
    if (now - this.heldSince < after) return;
    const before = this.committedBefore;
    this.committedBefore = committed();
    this.repeats = before === this.committedBefore ? this.repeats + 1 : 0;
    this.isParked = true;
    this.heldSince = undefined;
    gate.park();
    logger.warn(
      { code: 'park', because, leastMs: this.least },
      'messages are given back until the database answers, nothing is lost',
    );
    await Promise.all(supervisors.map((supervisor) => supervisor.park(AbortSignal.timeout(patience))));
    this.parkedAt = performance.now();
  }

  private async unparkIfDatabaseAnswers(): Promise<void> {
    const { probe, supervisors, gate } = this.options;
    if (performance.now() - this.parkedAt < this.least) return;
    const problem = await probe();
    if (problem !== undefined || this.stopping.signal.aborted) return;
    this.isParked = false;
    gate.unpark();
    for (const supervisor of supervisors) supervisor.unpark();
  }

  /** Milliseconds that the present park lasts at least. */
  private get least(): number {
    const { after } = this.options;
    return this.repeats === 0 ? 0 : Math.min(after * 2 ** this.repeats, Math.max(after, longestPark));
  }
}
