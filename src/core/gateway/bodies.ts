/** Bytes of one slab. A message that stays for long keeps its slab, as it would keep its chunk of the socket. */
const slabSize = 64 * 1024;

/** A larger body is not copied. It shares its chunk with few others. */
const largestCopy = slabSize / 4;

/** The most empty slabs that are kept for later. */
const mostSpare = 64;

interface Slab {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  /** The offset of the free room. */
  at: number;
  /** Bodies in it. */
  live: number;
}

/**
 * Keeps the bodies of deliveries in buffers that are used again and again.
 *
 * A body is a view of the socket's chunk. A delivery stays in memory long enough for V8 to move it to the old generation, and its chunk
 * with it. There V8 lets 64 MB of chunks pile up before it collects them. A copy costs less than that garbage.
 */
export class Bodies {
  private readonly slabs = new Map<ArrayBufferLike, Slab>();
  private readonly spare: Slab[] = [];
  private current = newSlab();

  /** The slabs in memory. */
  get size(): number {
    return this.slabs.size + this.spare.length + 1;
  }

  /** Returns the body's copy. It is valid until it is freed. */
  keep(body: Uint8Array): Uint8Array {
    const { length } = body;
    if (length === 0 || length > largestCopy) return body;
    if (this.current.at + length > slabSize) this.next();
    const { current } = this;
    const { at } = current;
    current.bytes.set(body, at);
    current.at += length;
    current.live += 1;
    return new Uint8Array(current.buffer, at, length);
  }

  /** Gives a body back. Its bytes change from now on. A body must not be freed twice. */
  free(body: Uint8Array): void {
    const { current } = this;
    const isCurrent = body.buffer === current.buffer;
    const slab = isCurrent ? current : this.slabs.get(body.buffer);
    // A body that was not copied.
    if (slab === undefined) return;
    slab.live -= 1;
    if (slab.live > 0) return;
    slab.at = 0;
    if (isCurrent) return;
    this.slabs.delete(slab.buffer);
    if (this.spare.length < mostSpare) this.spare.push(slab);
  }

  private next(): void {
    this.slabs.set(this.current.buffer, this.current);
    this.current = this.spare.pop() ?? newSlab();
  }
}

function newSlab(): Slab {
  const buffer = new ArrayBuffer(slabSize);
  return { buffer, bytes: new Uint8Array(buffer), at: 0, live: 0 };
}
