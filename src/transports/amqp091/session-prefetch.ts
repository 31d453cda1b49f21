/** Parts of the window. A consumer whose prefetch is below the first is replaced once at most the second is unsettled. */
const leastGranted = 0.7;
const mostUnsettled = 0.25;

/**
 * The prefetch of each consumer. The broker counts the deliveries of one consumer: basic.qos without `global`, since quorum queues and
 * RabbitMQ 4.3 refuse `global`. So the unsettled deliveries of an earlier consumer are subtracted from the window.
 *
 * The inlet also bounds bytes, which the broker does not know. The session gives a refused delivery back, and a quorum queue counts
 * that. With a full window each time, a message would be refused until the queue's delivery limit, and be lost. So a refusal closes
 * the window to a part of the taken deliveries. The window opens again with each window that is settled.
 */
export class Prefetch {
  readonly bound: number;
  private window: number;
  private granted = 0;
  private settledSince = 0;
  private renewing = false;

  constructor(bound: number) {
    this.bound = bound;
    this.window = bound;
  }

  /** A delivery was refused while `unsettled` others were unsettled. */
  refused(unsettled: number): void {
    if (unsettled > 0) this.window = Math.min(this.window, Math.ceil(unsettled * 0.75));
  }

  /**
   * Counts settled deliveries. Returns whether the consumer should be replaced. A consumer that was made while much was unsettled, such
   * as after a hold, is replaced as soon as little is. Otherwise the broker would go on sending a few messages at a time.
   */
  settled(count: number, unsettled: number): boolean {
    this.settledSince += count;
    if (this.settledSince >= this.window) {
      this.settledSince = 0;
      this.window = Math.min(this.bound, Math.ceil(this.window * 1.25));
    }
    this.renewing ||= this.granted < this.window * leastGranted && this.hasRoom(unsettled);
    return this.renewing && this.hasRoom(unsettled);
  }

  /** Whether to cancel the consumer and make another with a larger prefetch. */
  get isTooSmall(): boolean {
    return this.renewing;
  }

  mayConsume(unsettled: number): boolean {
    return !this.renewing || this.hasRoom(unsettled);
  }

  /** The prefetch of the next consumer, while `unsettled` deliveries are unsettled. */
  grant(unsettled: number): number {
    this.renewing = false;
    this.settledSince = 0;
    this.granted = Math.max(1, this.window - unsettled);
    return this.granted;
  }

  private hasRoom(unsettled: number): boolean {
    return unsettled <= Math.ceil(this.window * mostUnsettled);
  }
}
