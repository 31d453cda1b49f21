/** An item that a session settles, such as a delivery. */
export interface Settled {
  /** Whether it is done with. Nobody but the order writes it. */
  settled: boolean;
}

/** Milliseconds that what is settled waits behind what is not. */
const patience = 1000;

/**
 * Settles deliveries in the order in which they came, as far as that goes: batches finish out of order, while MQTT wants its PUBACKs in
 * the order of the PUBLISHes [MQTT-4.6.0-2], AMQP 0-9-1's cheapest acknowledgement covers everything up to a tag, and AMQP 1.0's
 * cheapest disposition covers a range.
 *
 * A delivery that stays unsettled for long is overtaken: those behind it are settled, and it is settled by itself when it is done. Long is a
 * second, or until half of the bound waits behind it: a slow call must not use up what the broker lets through.
 */
export class SettlingOrder<Item extends Settled> {
  private readonly write: (items: ReadonlyArray<Item>, inOrder: boolean) => void;
  /** Whether what is settled may be written before what is not. */
  private readonly overtakes: boolean;
  /** Settled items that may wait. */
  private readonly most: number;
  private order: Item[] = [];
  private head = 0;
  /** How many of those in order are settled. */
  private waiting = 0;
  /** Unsettled, and no longer in order. */
  private readonly overtaken = new Set<Item>();
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param bound how many deliveries may be unsettled; Infinity: nothing is overtaken because of its number.
   * @param write tells the broker; `inOrder` says that no earlier delivery is left unsettled.
   * @param overtakes false, for a broker that minds: all wait behind what is not settled, for as long as it takes.
   */
  constructor(
    bound: number,
    write: (items: ReadonlyArray<Item>, inOrder: boolean) => void,
    { overtakes = true } = {},
  ) {
    this.most = bound / 2;
    this.write = write;
    this.overtakes = overtakes;
  }

  /** How many deliveries the broker has not been told of. */
  get size(): number {
    return this.order.length - this.head + this.overtaken.size;
  }

  /** A delivery has come. */
  track(item: Item): void {
    this.order.push(item);
  }

  /** Deliveries are done with. */
  settle(items: ReadonlyArray<Item>): void {
    const late: Item[] = [];
    for (const item of items) {
      if (item.settled) continue;
      item.settled = true;
      if (this.overtaken.size > 0 && this.overtaken.delete(item)) late.push(item);
      else this.waiting += 1;
    }
    if (late.length > 0) this.write(late, false);
    this.writePrefix();
  }

  /** Deliveries went another way: they were given back. */
  remove(items: ReadonlyArray<Item>): void {
    const gone = new Set(items.filter(({ settled }) => !settled));
    for (const item of gone) {
      item.settled = true;
      this.overtaken.delete(item);
    }
    this.order = this.order.slice(this.head).filter((item) => !gone.has(item));
    this.head = 0;
    this.writePrefix();
  }

  /** Overtakes what is not settled, now, if that is allowed. */
  flush(): void {
    this.stop();
    if (this.waiting === 0 || !this.overtakes) return;
    const settled: Item[] = [];
    const rest: Item[] = [];
    for (let index = this.head; index < this.order.length; index += 1) {
      const item = this.order[index];
      if (item === undefined) break;
      if (item.settled) settled.push(item);
      // What is behind the last settled one waits for its turn.
      else if (settled.length < this.waiting) this.overtaken.add(item);
      else rest.push(item);
    }
    this.order = rest;
    this.head = 0;
    this.waiting = 0;
    this.write(settled, false);
  }

  /** Nothing is written any more because of the time that has passed. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private writePrefix(): void {
    const start = this.head;
    let end = start;
    while (this.order[end]?.settled === true) end += 1;
    if (end > start) {
      const prefix = this.order.slice(start, end);
      this.head = end;
      this.waiting -= prefix.length;
      // Compact now and then, not at each call: moving a thousand items costs more than forgetting them late.
      if (this.head > 1024 || this.head === this.order.length) {
        this.order = this.order.slice(this.head);
        this.head = 0;
      }
      this.stop();
      this.write(prefix, this.overtaken.size === 0);
    }
    if (this.waiting === 0 || !this.overtakes) return;
    if (this.waiting >= this.most) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), patience);
  }
}
