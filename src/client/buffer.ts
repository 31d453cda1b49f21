import { BufferFull } from './errors.ts';

/** A cast, as the buffer sees it. */
export interface Buffered {
  /** Set for a heartbeat only. It decides which heartbeat is kept. */
  readonly heartbeat?: HeartbeatKey | undefined;
}

export interface HeartbeatKey {
  readonly instance: string;
  /** Whether it has a status. A heartbeat without one must not replace one with a status. */
  readonly hasStatus: boolean;
  readonly sent: number;
}

interface Entry<Item> {
  readonly item: Item;
  /** Grows with each item that is added. */
  readonly order: number;
}

/**
 * A bounded buffer of casts that are not on the broker yet: waiting ones, in order, and those under way. Of an instance's waiting
 * heartbeats it keeps the newest, since an older one would be stale on arrival. A heartbeat without a status replaces only one without
 * a status, so no status is lost, and an instance has two at most.
 */
export class OutboundBuffer<Item extends Buffered> {
  readonly capacity: number;
  private readonly waiting = new Map<Item, Entry<Item>>();
  private readonly underWay = new Map<Item, Entry<Item>>();
  /** Messages that came back from a broken connection, in the order of their return. They are older than all waiting ones. */
  private readonly returned = new Map<Item, Entry<Item>>();
  private readonly newest = new Map<string, Entry<Item>>();
  private count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** The number of items that wait or are under way. */
  get size(): number {
    return this.waiting.size + this.returned.size + this.underWay.size;
  }

  /** Adds a new item at the end. Returns the dropped items, which may include the new one. Throws BufferFull. */
  add(item: Item): Item[] {
    this.count += 1;
    const entry = { item, order: this.count };
    const superseded = this.supersede(entry);
    if (superseded.includes(item)) return superseded;
    if (this.size >= this.capacity) {
      // Nothing was superseded: that would have made room.
      throw new BufferFull(`${this.capacity} messages wait for the broker already; this one was not taken`);
    }
    this.enter(this.waiting, entry);
    return superseded;
  }

  /** Takes the oldest waiting item. It is under way from now on. */
  take(): Item | undefined {
    const entry = this.oldestReturned() ?? first(this.waiting);
    if (entry === undefined) return undefined;
    this.leave(entry);
    this.underWay.set(entry.item, entry);
    return entry.item;
  }

  /** Removes an item that was under way: it is confirmed, or never will be. */
  done(item: Item): void {
    this.underWay.delete(item);
  }

  /** Puts an item that was under way back at its old place. Returns the dropped items, which may include this one. */
  giveBack(item: Item): Item[] {
    const entry = this.underWay.get(item);
    if (entry === undefined) return [];
    this.underWay.delete(item);
    const superseded = this.supersede(entry);
    if (!superseded.includes(item)) this.enter(this.returned, entry);
    return superseded;
  }

  /** Removes a waiting item. Returns false if it does not wait. */
  remove(item: Item): boolean {
    const entry = this.waiting.get(item) ?? this.returned.get(item);
    if (entry === undefined) return false;
    this.leave(entry);
    return true;
  }

  /** Removes and returns all waiting items, oldest first. */
  clear(): Item[] {
    const entries = [...this.returned.values(), ...this.waiting.values()].sort(byOrder);
    for (const entry of entries) this.leave(entry);
    return entries.map(({ item }) => item);
  }

  /** Removes the heartbeats that the entry supersedes, or the entry itself if it is the older one. */
  private supersede(entry: Entry<Item>): Item[] {
    const key = entry.item.heartbeat;
    if (key === undefined) return [];
    const [status, touch] = [true, false].map((hasStatus) => this.newest.get(keyOf({ ...key, hasStatus })));
    const own = key.hasStatus ? status : touch;
    if (isNewer(status, entry) || (!key.hasStatus && isNewer(own, entry))) return [entry.item];
    const dropped = [own, key.hasStatus && isNewer(entry, touch) ? touch : undefined].flatMap((other) =>
      other === undefined ? [] : [other],
    );
    for (const other of dropped) this.leave(other);
    return dropped.map(({ item }) => item);
  }

  private enter(part: Map<Item, Entry<Item>>, entry: Entry<Item>): void {
    part.set(entry.item, entry);
    const key = entry.item.heartbeat;
    if (key !== undefined) this.newest.set(keyOf(key), entry);
  }

  private leave({ item }: Entry<Item>): void {
    this.waiting.delete(item);
    this.returned.delete(item);
    if (item.heartbeat !== undefined) this.newest.delete(keyOf(item.heartbeat));
  }

  private oldestReturned(): Entry<Item> | undefined {
    let oldest: Entry<Item> | undefined;
    for (const entry of this.returned.values()) {
      if (oldest === undefined || entry.order < oldest.order) oldest = entry;
    }
    return oldest;
  }
}

function keyOf({ instance, hasStatus }: HeartbeatKey): string {
  return `${hasStatus ? 'status' : 'touch'} ${instance}`;
}

function first<Item>(part: ReadonlyMap<Item, Entry<Item>>): Entry<Item> | undefined {
  for (const entry of part.values()) return entry;
  return undefined;
}

function byOrder(a: Entry<unknown>, b: Entry<unknown>): number {
  return a.order - b.order;
}

/** If the stamps are equal, the later one counts: its sender would have kept that one. */
function isNewer<Item extends Buffered>(
  one: Entry<Item> | undefined,
  other: Entry<Item> | undefined,
): boolean {
  const [a, b] = [one?.item.heartbeat?.sent, other?.item.heartbeat?.sent];
  if (one === undefined || other === undefined || a === undefined || b === undefined) return false;
  return a > b || (a === b && one.order > other.order);
}
