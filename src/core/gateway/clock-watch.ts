import type { ErrorCode } from '../error-codes.ts';
import type { Logger } from '../logger.ts';
import type { ClockNotes } from '../message/outcome.ts';

/** Guests whose clocks are wrong, as far as this replica knows. */
export interface ClockReport {
  /** Guests whose messages were sent more than 300 s ahead of the database's clock. The messages are applied. */
  readonly ahead: NamedGuests;
  /** Guests whose heartbeats are all older than one that was applied before. None of them counts. */
  readonly muted: NamedGuests;
}

export interface NamedGuests {
  readonly count: number;
  /** The first of them; those ahead with the seconds. */
  readonly guests: ReadonlyArray<{ readonly instanceId: string; readonly seconds?: number }>;
}

export interface ClockWatchOptions {
  /** Milliseconds in which all heartbeats of a muted guest are stale. */
  readonly mutedAfter: number;
  /**
   * Asks the database for its time, in seconds since the epoch, and for those of the instances about which nothing has been applied for
   * `mutedAfter`. May reject.
   */
  readonly look: (
    instanceIds: ReadonlyArray<string>,
  ) => Promise<{ readonly now: number; readonly muted: ReadonlyArray<string> }>;
  readonly logger: Logger;
}

/** Seconds. */
const tolerance = 300;
/** Milliseconds after which a guest that is no longer ahead is forgotten. */
const memory = 600_000;
/** Guests that are remembered at most, of each kind. */
const most = 10_000;
/** Guests that health and a line of the log name at most. */
const named = 20;
/** Milliseconds between two lines of one kind. */
const quiet = 600_000;

const none: NamedGuests = { count: 0, guests: [] };

/** Finds guests with a wrong clock among those that the batches point to. */
export class ClockWatch {
  private readonly options: ClockWatchOptions;
  private readonly ahead = new Map<string, { seconds: number; at: number }>();
  private readonly stale = new Map<string, { readonly first: number; last: number }>();
  private readonly saidAt = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  private isLooking = false;
  report: ClockReport = { ahead: none, muted: none };

  constructor(options: ClockWatchOptions) {
    this.options = options;
  }

  start(): void {
    const interval = Math.max(500, Math.min(30_000, this.options.mutedAfter / 3));
    this.timer = setInterval(() => void this.look(), interval).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Takes the notes of a batch. */
  note(notes: ClockNotes | undefined): void {
    if (notes === undefined) return;
    const at = performance.now();
    for (const [id, seconds] of notes.ahead)
      if (this.ahead.has(id) || this.ahead.size < most) this.ahead.set(id, { seconds, at });
    for (const id of notes.stale) {
      const known = this.stale.get(id);
      if (known !== undefined) known.last = at;
      else if (this.stale.size < most) this.stale.set(id, { first: at, last: at });
    }
  }

  /** Never rejects. */
  private async look(): Promise<void> {
    if (this.isLooking) return;
    if (this.ahead.size + this.stale.size === 0) {
      this.report = { ahead: none, muted: none };
      return;
    }
    this.isLooking = true;
    const { mutedAfter, look } = this.options;
    const now = performance.now();
    // A backlog that comes again has many stale messages, but not for long.
    for (const [id, { last }] of this.stale) if (now - last > 2 * mutedAfter) this.stale.delete(id);
    for (const [id, { at }] of this.ahead) if (now - at > memory) this.ahead.delete(id);
    const suspects = [...this.stale].filter(([, { first }]) => now - first >= mutedAfter).map(([id]) => id);
    try {
      const answer = await look(suspects);
      // Positive: this machine's clock is ahead of the database's.
      const offset = Date.now() / 1000 - answer.now;
      const muted = new Set(answer.muted);
      for (const id of suspects) if (!muted.has(id)) this.stale.delete(id);
      this.tell(offset, muted);
    } catch {
      // The database is away, which others report. The next look comes soon.
    } finally {
      this.isLooking = false;
    }
  }

  private tell(offset: number, muted: ReadonlySet<string>): void {
    const ahead = [...this.ahead]
      .map(([instanceId, { seconds }]) => ({ instanceId, seconds: Math.round(seconds + offset) }))
      .filter(({ seconds }) => seconds > tolerance)
      .sort((a, b) => b.seconds - a.seconds);
    this.report = {
      ahead: { count: ahead.length, guests: ahead.slice(0, named) },
      muted: {
        count: muted.size,
        guests: [...muted].slice(0, named).map((instanceId) => ({ instanceId })),
      },
    };
    this.say(
      'clock-ahead',
      this.report.ahead,
      'clock_ahead: guests send times that are ahead of the clock of the database; set their clocks',
    );
    this.say(
      'clock-behind',
      this.report.muted,
      'clock_behind: all heartbeats of these guests are older than one that was applied, so none counts; set their clocks',
    );
  }

  private say(code: ErrorCode, { count, guests }: NamedGuests, line: string): void {
    const now = performance.now();
    const last = this.saidAt.get(line);
    if (count === 0 || (last !== undefined && now - last < quiet)) return;
    this.saidAt.set(line, now);
    this.options.logger.warn({ code, count, guests }, line);
  }
}
