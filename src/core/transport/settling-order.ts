/** An item that a session settles, such as a delivery. */
export interface Settled {
  /** Whether it is settled. Only the order writes it. */
  settled: boolean;
}

/** Milliseconds that settled deliveries wait behind an unsettled one. */
const patience = 1000;

/**
 * Settles deliveries in the order of their arrival where that is possible, since batches finish out of order. MQTT wants its PUBACKs in
 * the order of the PUBLISHes [MQTT-4.6.0-2]. The cheapest acknowledgement of AMQP 0-9-1 covers all deliveries up to a tag. The cheapest
 * disposition of AMQP 1.0 covers a range.
 *
 * A delivery is overtaken if it stays unsettled for a second, or if half of the bound waits behind it. Then the deliveries behind it are
 * settled, and it is settled alone later. So a slow call does not use up the deliveries that the broker allows.
 */
export class SettlingOrder<Item extends Settled> {
  private readonly write: (items: ReadonlyArray<Item>, inOrder: boolean) => void;
  /** Whether a settled delivery may be written before an earlier unsettled one. */
  private readonly overtakes: boolean;
  /** Settled items that may wait. */
  private readonly most: number;
  private order: Item[] = [];
  private head = 0;
  /** The number of settled deliveries in `order`. */
  private waiting = 0;
  /** Unsettled deliveries that have left `order`. */
  private readonly overtaken = new Set<Item>();
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param bound the most unsettled deliveries; Infinity: none is overtaken because of their number.
   * @param write tells the broker; `inOrder` says that no earlier delivery is left unsettled.
   * @param overtakes false for a broker that insists on the order: all wait behind an unsettled delivery, however long.
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

  /** The number of deliveries that are not written. */
  get size(): number {
    return this.order.length - this.head + this.overtaken.size;
  }

  /** Adds a delivery. Call it in the order of arrival. */
  track(item: Item): void {
    this.order.push(item);
  }

  /** Settles deliveries. A second call with the same one does nothing. */
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

  /** Removes deliveries that were given back to the broker. */
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

  /** Overtakes the unsettled deliveries at once, if that is allowed. */
  flush(): void {
    this.stop();
    if (this.waiting === 0 || !this.overtakes) return;
    const settled: Item[] = [];
    const rest: Item[] = [];
    for (let index = this.head; index < this.order.length; index += 1) {
      const item = this.order[index];
      if (item === undefined) break;
      if (item.settled) settled.push(item);
      // A delivery behind the last settled one stays in order.
      else if (settled.length < this.waiting) this.overtaken.add(item);
      else rest.push(item);
    }
    this.order = rest;
    this.head = 0;
    this.waiting = 0;
    this.write(settled, false);
  }

  /** Stops the timer. Later deliveries start it again. */
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
