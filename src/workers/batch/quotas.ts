import { dead, deferred } from '../../core/message/outcome.ts';
import type { CastMethod } from '../methods/contract.ts';
import type { WorkerSettings } from '../settings.ts';
import { type BatchItem, isTask } from './item.ts';

/** What becomes of a message by its sender's quota. `later`: it is deferred. `never`: it is refused. */
export type Verdict = 'now' | 'later' | 'never';

interface Bucket {
  /** Messages that may come now; below 0: messages that were deferred and count against later ones. */
  tokens: number;
  /** Milliseconds of the monotonic clock: the last refill. */
  at: number;
}

/** Senders that a thread tracks at most. A bucket takes 150 bytes. */
const capacity = 20_000;

/** Milliseconds after which a sender may be forgotten: its bucket is full again, unless it has sent far too much. */
const silence = 60_000;

/** Senders that are looked at to find such a one. */
const mostLooks = 8;

/** Seconds of the rate that a sender may use at once. */
const reserve = 10;

/**
 * The quota of each sender on one thread: a token bucket that may be overdrawn. Messages within the rate run now. Further ones are
 * deferred, up to `quotas.burst`, so that a backlog of an honest guest is not lost. Beyond that they are
 * refused. So a guest in a loop has about `quotas.burst` rows in `deferred`.
 */
export class Quotas {
  private readonly rate: number;
  private readonly burst: number;
  private readonly buckets = new Map<string, Bucket>();

  constructor({ perSecond, burst }: WorkerSettings['quotas']) {
    this.rate = perSecond;
    this.burst = burst;
  }

  /** Whether there are quotas. */
  get isOn(): boolean {
    return this.rate > 0;
  }

  /**
   * Takes one message of a sender.
   *
   * @param mayWait false for a call, which cannot be deferred.
   */
  judge(sender: string, mayWait: boolean, now = performance.now()): Verdict {
    const most = this.rate * reserve;
    let bucket = this.buckets.get(sender);
    if (bucket === undefined) {
      this.makeRoom(now);
      bucket = { tokens: most, at: now };
      this.buckets.set(sender, bucket);
    }
    bucket.tokens = Math.min(most, bucket.tokens + ((now - bucket.at) / 1000) * this.rate);
    bucket.at = now;
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 'now';
    }
    if (!mayWait || bucket.tokens - 1 < -this.burst) return 'never';
    bucket.tokens -= 1;
    return 'later';
  }

  /** Forgets a sender if there are too many: the first one that was not heard from lately, or else the first of all. */
  private makeRoom(now: number): void {
    if (this.buckets.size < capacity) return;
    let looks = 0;
    for (const [sender, bucket] of this.buckets) {
      this.buckets.delete(sender);
      looks += 1;
      if (looks === mostLooks || now - bucket.at > silence) return;
      this.buckets.set(sender, bucket);
    }
  }
}

/**
 * Applies the quotas of a batch's guests. Messages of a guest about one key count as one, since they are folded into one row. A message
 * over the quota is deferred, or a dead letter. A sender without a proof has no quota: anybody could use it up.
 */
export function withinQuotas(quotas: Quotas, items: ReadonlyArray<BatchItem>): ReadonlyArray<BatchItem> {
  if (!quotas.isOn) return items;
  const judged = new Map<CastMethod, Map<string, Judged>>();
  const now = performance.now();
  return items.map((item) => {
    const { task, guest } = item;
    if (guest === undefined || !isTask(task)) return item;
    const { method, args } = task;
    const ofMethod = judged.get(method) ?? new Map<string, Judged>();
    let one = ofMethod.get(args.key);
    if (one?.guest !== guest) {
      one = { guest, verdict: quotas.judge(guest, true, now) };
      ofMethod.set(args.key, one);
      judged.set(method, ofMethod);
    }
    if (one.verdict === 'now') return item;
    if (one.verdict === 'later') return { ...item, task: deferred.over_quota, later: task };
    const detail = `${guest} sends more than quotas.perSecond, and has quotas.burst deferred messages`;
    return { ...item, task: dead('over_quota', detail), args: { instance_id: args.instanceId } };
  });
}

/** The verdict on the last message about a key. */
interface Judged {
  readonly guest: string;
  readonly verdict: Verdict;
}
