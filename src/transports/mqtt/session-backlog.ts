import type { Tap } from './read-tap.ts';

/** Bytes of messages that are kept while there is no room. Beyond that the rest stays in the socket. */
const most = 2 ** 20;

/** Bytes of memory that a message takes beside its body. */
const overhead = 256;

/**
 * Messages that have come while there is no room, in order. The session goes on reading the packets behind them, such as answers to
 * pings and confirms of our own answers, until the backlog has too many bytes. Then it stops reading the socket. It does so for a short
 * time only, since answers to pings come through the same socket.
 */
export class Backlog<Item extends { readonly body: Uint8Array }> {
  private readonly tap: Tap;
  /** The longest time for which the socket is not read, in milliseconds. */
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

  /** Hands the messages on until one is refused. */
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

  /** Removes all messages and returns them. */
  takeAll(): Item[] {
    this.bytes = 0;
    this.readOn();
    return this.items.splice(0);
  }

  /** Stops the timer. */
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
