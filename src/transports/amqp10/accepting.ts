import { SettledPrefix } from '../../core/transport/settled-prefix.ts';

/** Milliseconds that what is settled may wait behind what is not. */
const patience = 1000;

/** A delivery, by its number, which counts up. */
interface Numbered {
  readonly handle: { readonly id: number };
}

/**
 * Accepts deliveries in the order in which they came, as far as that goes. What is not settled for long keeps those behind it no more:
 * they are accepted, and it is accepted by itself when it is done. Long is a second, or until half of all that may be unsettled waits
 * behind it: a slow call must not use up the credit of everything else.
 */
export class Accepting<Item extends Numbered> {
  private readonly accept: (items: ReadonlyArray<Item>) => void;
  /** Settled items that may wait. */
  private readonly most: number;
  private readonly tracked = new SettledPrefix<Item>();
  /** Unsettled, and tracked no more. */
  private readonly overtaken = new Set<Item>();
  private waiting = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(bound: number, accept: (items: ReadonlyArray<Item>) => void) {
    this.most = bound / 2;
    this.accept = accept;
  }

  track(item: Item): void {
    this.tracked.track(item);
  }

  settle(items: ReadonlyArray<Item>): void {
    const late: Item[] = [];
    for (const item of items) {
      if (this.overtaken.size > 0 && this.overtaken.delete(item)) late.push(item);
      else this.tracked.settle(item);
    }
    this.waiting += items.length - late.length;
    if (late.length > 0) this.accept(late);
    this.acceptInOrder();
  }

  /** They went another way. */
  remove(items: ReadonlyArray<Item>): void {
    for (const item of items) this.overtaken.delete(item);
    this.tracked.remove(items);
    this.acceptInOrder();
  }

  /** Accepts all that is settled. */
  flush(): void {
    this.stop();
    const settled = this.tracked.takeAll();
    this.waiting = 0;
    const last = settled.at(-1);
    if (last === undefined) return;
    const slow = this.tracked.unsettled().filter(({ handle }) => handle.id < last.handle.id);
    this.tracked.remove(slow);
    for (const item of slow) this.overtaken.add(item);
    this.accept(settled);
  }

  /** Nothing is accepted any more because of the time that has passed. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private acceptInOrder(): void {
    const prefix = this.tracked.takePrefix();
    if (prefix.length > 0) {
      this.stop();
      this.waiting -= prefix.length;
      this.accept(prefix);
    }
    if (!this.tracked.blocked) return;
    if (this.waiting >= this.most) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), patience);
  }
}
