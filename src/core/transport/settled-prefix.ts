/**
 * Keeps deliveries in the order they came and tells which of them may be acknowledged when acknowledgements must not, or
 * had better not, overtake: batches finish out of order, while MQTT wants its PUBACKs in the order of the PUBLISHes
 * [MQTT-4.6.0-2], and AMQP 0-9-1's cheapest acknowledgement covers everything up to a tag.
 */
export class SettledPrefix<Item> {
  private order: Item[] = [];
  private head = 0;
  private readonly settled = new Set<Item>();

  /** How many are tracked: settled behind the prefix or not settled. */
  get size(): number {
    return this.order.length - this.head;
  }

  /** Whether something settled waits behind something that is not. */
  get blocked(): boolean {
    return this.settled.size > 0;
  }

  /** The first of those tracked. */
  get oldest(): Item | undefined {
    return this.order[this.head];
  }

  track(item: Item): void {
    this.order.push(item);
  }

  settle(item: Item): void {
    this.settled.add(item);
  }

  /** Takes off the longest prefix of settled items and returns it, oldest first. */
  takePrefix(): Item[] {
    const start = this.head;
    for (let item = this.order[this.head]; item !== undefined && this.settled.delete(item); ) {
      this.head += 1;
      item = this.order[this.head];
    }
    const prefix = this.order.slice(start, this.head);
    // Compact now and then, not at each call: moving a thousand items costs more than forgetting them late.
    if (this.head > 1024 || this.head === this.order.length) {
      this.order = this.order.slice(this.head);
      this.head = 0;
    }
    return prefix;
  }

  /** Takes off everything that is settled, wherever it stands, oldest first. */
  takeAll(): Item[] {
    const rest: Item[] = [];
    const taken: Item[] = [];
    for (let index = this.head; index < this.order.length; index += 1) {
      const item = this.order[index];
      if (item === undefined) break;
      (this.settled.has(item) ? taken : rest).push(item);
    }
    this.settled.clear();
    this.order = rest;
    this.head = 0;
    return taken;
  }

  /** Stops tracking items: they went another way. */
  remove(items: Iterable<Item>): void {
    const gone = new Set(items);
    for (const item of gone) this.settled.delete(item);
    this.order = this.order.slice(this.head).filter((item) => !gone.has(item));
    this.head = 0;
  }

  /** Everything tracked and not settled, oldest first. */
  unsettled(): Item[] {
    return this.order.slice(this.head).filter((item) => !this.settled.has(item));
  }
}
