import type { Delivery, Share } from '../transport/contract.ts';

/** The part of a share that calls may hold, waiting and running. Casts have the rest, however slow the calls are. */
const callPart = 1 / 4;

/** The calls of one transport that wait for their turn, and the room that waiting and running calls take. */
export class WaitingCalls {
  /** The messages and bytes that waiting and running calls hold. */
  readonly held: Record<keyof Share, number> = { messages: 0, bytes: 0 };
  private readonly share: Share;
  /** Oldest first. */
  private calls: Delivery[] = [];

  /**
   * @param share of the transport, casts included.
   * @param slots how many calls can run at once. At least that many may be held, up to half of a small share.
   */
  constructor(share: Share, slots: number) {
    const most = Math.max(1, Math.floor(share.messages / 2));
    const messages = Math.max(slots, Math.floor(share.messages * callPart));
    this.share = { messages: Math.min(most, messages), bytes: share.bytes * callPart };
  }

  get count(): number {
    return this.calls.length;
  }

  /** The most calls that may be held. */
  get room(): number {
    return this.share.messages;
  }

  get hasRoom(): boolean {
    return this.held.messages < this.share.messages && this.held.bytes < this.share.bytes;
  }

  /** Lets a call wait for its turn. */
  add(call: Delivery): void {
    this.held.messages += 1;
    this.held.bytes += call.body.length;
    this.calls.push(call);
  }

  /** Takes the oldest call, to run it. The call keeps its room. */
  take(): Delivery | undefined {
    return this.calls.shift();
  }

  /** Puts a taken call back to the front, to be tried again. */
  putBack(call: Delivery): void {
    this.calls.unshift(call);
  }

  /** Removes the calls whose callers no longer wait. Their room becomes free. */
  takeExpired(): ReadonlyArray<Delivery> {
    const now = performance.now();
    return this.remove(({ meta: { deadline } }) => deadline !== undefined && deadline <= now);
  }

  /** Removes the waiting calls for which the condition holds. Their room becomes free. */
  remove(isGone: (call: Delivery) => boolean): ReadonlyArray<Delivery> {
    const gone = this.calls.filter(isGone);
    if (gone.length === 0) return gone;
    this.calls = this.calls.filter((call) => !isGone(call));
    for (const call of gone) this.freeRoom(call);
    return gone;
  }

  /** Frees the room of a call that neither waits nor runs any more. */
  freeRoom({ body }: Delivery): void {
    this.held.messages -= 1;
    this.held.bytes -= body.length;
  }
}
