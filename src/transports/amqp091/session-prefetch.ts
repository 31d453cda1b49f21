/** Of the window, in parts of it: a consumer with less is made anew, once no more than so many are unsettled. */
const leastGranted = 0.7;
const mostUnsettled = 0.25;

/**
 * How many deliveries each consumer may be sent. The broker counts those of one consumer (AMQP 0-9-1 as RabbitMQ has it: basic.qos
 * without `global`, which quorum queues and RabbitMQ 4.3 refuse), so that what is unsettled of the one before comes off.
 *
 * The lane also bounds bytes, of which the broker knows nothing. What it refuses is given back, and quorum queues count that: were
 * as much asked for each time, a message would be refused until the queue's delivery limit, and lost. So the window is closed to a
 * part of what was taken, and opens again with each window that is settled.
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

  /** One was refused while so many were unsettled. */
  refused(unsettled: number): void {
    if (unsettled > 0) this.window = Math.min(this.window, Math.ceil(unsettled * 0.75));
  }

  /**
   * So many were settled, and so many are not. Returns whether the consumer is to be adjusted. One that was made while much was
   * unsettled, after messages were held say, is made anew as soon as little is: the broker would go on giving it a few at a time.
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

  /** Whether the consumer is to be cancelled, to be made anew with more. */
  get isTooSmall(): boolean {
    return this.renewing;
  }

  mayConsume(unsettled: number): boolean {
    return !this.renewing || this.hasRoom(unsettled);
  }

  /** What the next consumer may be sent while so many are unsettled. */
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
