import { type DeadReason, sendersMistakes } from '../../../core/errors.ts';

/** Milliseconds over which dead letters are counted. */
const window = 60_000;

/** They must not push out other letters. */
const counted: ReadonlySet<DeadReason> = new Set(sendersMistakes);

/** A sender, as far as it is known. */
export interface Origin {
  readonly transport: string;
  readonly reason: DeadReason;
  readonly sender: string | null;
  readonly instanceId: string | null;
}

export type Verdict = 'whole' | Origin;

/** Messages that are counted in one row. */
export interface Counted extends Origin {
  readonly count: number;
}

/**
 * Decides which dead letters are kept whole: of each sender and reason the first ones of a minute, and not more than a share of the
 * table of all senders together. The others are counted. One for each thread.
 */
export class LetterFlood {
  private readonly perSender: number;
  private readonly all: number;
  private begin = Number.NEGATIVE_INFINITY;
  private kept = 0;
  /** Letters kept whole by origin. Bounded, since each entry has at least one of the letters that are kept in a minute. */
  private readonly byOrigin = new Map<string, number>();
  /** A message is recorded again if its transaction fails. */
  private readonly verdicts = new WeakMap<object, Verdict>();

  constructor({ perSender, maxRows }: { readonly perSender: number; readonly maxRows: number }) {
    this.perSender = perSender;
    this.all = Math.max(perSender, Math.ceil(maxRows / 100));
  }

  /** Whether a letter is kept whole; otherwise the origin under which it is counted. The same for the same message. */
  judge(message: object, origin: Origin, now = performance.now()): Verdict {
    if (!counted.has(origin.reason)) return 'whole';
    const verdict = this.verdicts.get(message) ?? this.decide(origin, now);
    this.verdicts.set(message, verdict);
    return verdict;
  }

  private decide(origin: Origin, now: number): Verdict {
    const { transport, reason, sender, instanceId } = origin;
    if (now - this.begin >= window) {
      this.begin = now;
      this.kept = 0;
      this.byOrigin.clear();
    }
    const name = JSON.stringify([transport, reason, sender, sender === null ? instanceId : null]);
    const before = this.byOrigin.get(name);
    if (before !== undefined && before >= this.perSender)
      return { ...origin, instanceId: sender === null ? instanceId : null };
    // There may be more senders than rows.
    if (this.kept >= this.all) return { transport, reason, sender: null, instanceId: null };
    this.kept += 1;
    this.byOrigin.set(name, (before ?? 0) + 1);
    return 'whole';
  }
}

/** Sums up messages of the same origin. */
export function sumUp(origins: ReadonlyArray<Origin>): Counted[] {
  const sums = new Map<string, Counted>();
  for (const { transport, reason, sender, instanceId } of origins) {
    const name = JSON.stringify([transport, reason, sender, instanceId]);
    const count = (sums.get(name)?.count ?? 0) + 1;
    sums.set(name, { transport, reason, sender, instanceId, count });
  }
  return [...sums.values()];
}
