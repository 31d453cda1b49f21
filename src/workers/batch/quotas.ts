import type { WorkerSettings } from '../settings.ts';

/** What becomes of a message by its sender's quota. `later`: it is deferred. `never`: it is refused. */
export type Verdict = 'now' | 'later' | 'never';

/** The quota of one sender, as far as it is used. */
export interface Bucket {
  /** Messages that may come now; below 0: messages that were deferred and count against later ones. */
  tokens: number;
  /** Bytes that may come now; below 0: bytes that count against later ones. */
  bytes: number;
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
 * The quotas of each sender on one thread, of messages and of bytes: token buckets that may be overdrawn. Messages within both rates run
 * now. Further ones are deferred, up to `quotas.burst` messages and ten seconds' bytes, so that a backlog of an honest guest is not lost.
 * Beyond that they are refused. So a guest in a loop has about `quotas.burst` rows in `deferred`.
 */
export class Quotas {
  /** A rate that is off is endless. */
  private readonly rate: number;
  private readonly byteRate: number;
  private readonly burst: number;
  private readonly buckets = new Map<string, Bucket>();

  constructor({ perSecond, bytesPerSecond, burst }: WorkerSettings['quotas']) {
    this.rate = perSecond || Number.POSITIVE_INFINITY;
    this.byteRate = bytesPerSecond || Number.POSITIVE_INFINITY;
    this.burst = burst;
  }

  /** Whether there are quotas. */
  get isOn(): boolean {
    return Math.min(this.rate, this.byteRate) < Number.POSITIVE_INFINITY;
  }

  /** The bucket of a sender, refilled. One Map look-up for a sender that is known. */
  bucketOf(sender: string, now: number): Bucket {
    const most = this.rate * reserve;
    const mostBytes = this.byteRate * reserve;
    let bucket = this.buckets.get(sender);
    if (bucket === undefined) {
      this.makeRoom(now);
      bucket = { tokens: most, bytes: mostBytes, at: now };
      this.buckets.set(sender, bucket);
      return bucket;
    }
    const seconds = (now - bucket.at) / 1000;
    // Nothing is refilled at once: endless times 0 is no number.
    if (seconds <= 0) return bucket;
    bucket.tokens = Math.min(most, bucket.tokens + seconds * this.rate);
    bucket.bytes = Math.min(mostBytes, bucket.bytes + seconds * this.byteRate);
    bucket.at = now;
    return bucket;
  }

  /**
   * Takes one message out of a bucket that was just refilled.
   *
   * @param size bytes of its body. The last message before the bytes end may be larger than they are.
   * @param mayWait false for a message that is not deferred one by one: a call, or a message that newer ones supersede.
   */
  take(bucket: Bucket, size: number, mayWait: boolean): Verdict {
    if (bucket.tokens >= 1 && bucket.bytes > 0) {
      bucket.tokens -= 1;
      bucket.bytes -= size;
      return 'now';
    }
    if (!mayWait) return 'never';
    if (bucket.tokens - 1 < -this.burst || bucket.bytes - size < -this.byteRate * reserve) return 'never';
    bucket.tokens -= 1;
    bucket.bytes -= size;
    return 'later';
  }

  /** Takes one message of a sender. See `take`. */
  judge(sender: string, size: number, mayWait: boolean, now = performance.now()): Verdict {
    return this.take(this.bucketOf(sender, now), size, mayWait);
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
