import type { Tap } from './read-tap.ts';

/** Bytes that are kept of what does not fit. Beyond that the rest stays in the socket. */
const most = 2 ** 20;

/** Bytes that a message takes beside its body. */
const overhead = 256;

/**
 * Messages that have come and do not fit, in their order. The packets behind them go on being read, such as the answers to pings and the
 * confirms of our answers, until there are too many bytes: then the socket is read no more, but not for long, since pings are answered
 * through the same socket.
 */
export class Backlog<Item extends { readonly body: Uint8Array }> {
  private readonly tap: Tap;
  /** Milliseconds that the socket may stay unread. */
  private readonly patience: number;
  private readonly onImpatience: () => void;
  private items: Item[] = [];
  private bytes = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(tap: Tap, patience: number, onImpatience: () => void) {
    this.tap = tap;
    this.patience = patience;
    this.onImpatience = onImpatience;
  }

  get size(): number {
    return this.items.length;
  }

  add(item: Item): void {
    this.items.push(item);
    this.bytes += item.body.length + overhead;
    if (this.bytes <= most || this.timer !== undefined) return;
    this.tap.hold();
    this.timer = setTimeout(this.onImpatience, this.patience);
  }

  /** Hands them on until one is refused. */
  offer(deliver: (item: Item) => boolean): void {
    let taken = 0;
    for (const item of this.items) {
      if (!deliver(item)) break;
      taken += 1;
      this.bytes -= item.body.length + overhead;
    }
    this.items.splice(0, taken);
    if (this.bytes <= most) this.readOn();
  }

  /** Forgets them. */
  takeAll(): Item[] {
    this.bytes = 0;
    this.readOn();
    return this.items.splice(0);
  }

  /** Nothing happens any more because of the time that has passed. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private readOn(): void {
    if (this.timer === undefined) return;
    this.stop();
    this.tap.release();
  }
}
