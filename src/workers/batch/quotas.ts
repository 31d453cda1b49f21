import type { AuthMode } from '../../core/config/schema-auth.ts';
import { dead, deferred } from '../../core/message/outcome.ts';
import type { WorkerSettings } from '../settings.ts';
import { principalOf } from './authorize.ts';
import { type BatchItem, isTask } from './item.ts';

/** What becomes of a message by its sender's quota. `later`: it is deferred. `never`: it is refused. */
export type Verdict = 'now' | 'later' | 'never';

interface Bucket {
  /** Messages that may come now; below 0: messages that were deferred and count against later ones. */
  tokens: number;
  /** Milliseconds of the monotonic clock: the last refill. */
  at: number;
}

/** Senders that a thread tracks at most: those that it has heard from last. A bucket takes 150 bytes. */
const capacity = 20_000;

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
    const bucket = this.buckets.get(sender) ?? { tokens: most, at: now };
    this.buckets.delete(sender);
    this.buckets.set(sender, bucket);
    bucket.tokens = Math.min(most, bucket.tokens + ((now - bucket.at) / 1000) * this.rate);
    bucket.at = now;
    for (const oldest of this.buckets.keys()) {
      if (this.buckets.size <= capacity) break;
      this.buckets.delete(oldest);
    }
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 'now';
    }
    if (!mayWait || bucket.tokens - 1 < -this.burst) return 'never';
    bucket.tokens -= 1;
    return 'later';
  }
}

/**
 * Applies the quotas of a batch's guests. Messages of a guest about one key count as one, since they are folded into one row. A message
 * over the quota is deferred, or a dead letter.
 */
export function withinQuotas(
  quotas: Quotas,
  items: ReadonlyArray<BatchItem>,
  auth: AuthMode,
  access: WorkerSettings['access'],
): ReadonlyArray<BatchItem> {
  // Without a proof anybody could use up the quota of another sender.
  if (!quotas.isOn || auth === 'none') return items;
  const verdicts = new Map<string, Verdict>();
  return items.map((item) => {
    const { task, raw } = item;
    if (!isTask(task) || raw === undefined) return item;
    const principal = principalOf(raw, auth, access);
    if (principal.kind !== 'guest') return item;
    const name = `${principal.id}\0${task.methodName}\0${task.args.key}`;
    const verdict = verdicts.get(name) ?? quotas.judge(principal.id, true);
    verdicts.set(name, verdict);
    if (verdict === 'now') return item;
    if (verdict === 'later') return { ...item, task: deferred.over_quota, later: task };
    const detail = `${principal.id} sends more than quotas.perSecond, and has quotas.burst deferred messages`;
    return { ...item, task: dead('over_quota', detail), args: { instance_id: task.args.instanceId } };
  });
}
