/** Reads bits and Huffman codes as bzip2 writes them. */

/** The bytes are no bzip2 stream. */
export class NotBzip2 extends Error {}

/** The longest code of a symbol, in bits. */
export const maxCodeLength = 20;

/** Reads bits, the highest bit of each byte first. */
export class Bits {
  private readonly bytes: Uint8Array;
  private at = 0;
  private kept = 0;
  private count = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** @param count at most 32. */
  read(count: number): number {
    if (count > 16) return this.read(count - 16) * 0x10000 + this.read(16);
    while (this.count < count) {
      const byte = this.bytes[this.at];
      if (byte === undefined) throw new NotBzip2('it ends too soon');
      this.kept = ((this.kept << 8) | byte) & 0xffffff;
      this.at += 1;
      this.count += 8;
    }
    this.count -= count;
    return (this.kept >>> this.count) & ((1 << count) - 1);
  }

  /** Skips to the next whole byte. */
  align(): void {
    this.count = 0;
  }

  /** Whether another stream begins at the current byte. */
  continues(): boolean {
    const { bytes, at } = this;
    return bytes[at] === 0x42 && bytes[at + 1] === 0x5a && bytes[at + 2] === 0x68;
  }
}

/** A canonical Huffman code. */
export class Table {
  /** For each length: the first code, the number of codes, and the index of the first symbol. */
  private readonly counts = new Uint16Array(maxCodeLength + 1);
  private readonly symbols: Uint16Array;

  constructor(lengths: Uint8Array) {
    this.symbols = new Uint16Array(lengths.length);
    for (const length of lengths) this.counts[length] = (this.counts[length] ?? 0) + 1;
    let place = 0;
    for (let length = 1; length <= maxCodeLength; length += 1) {
      if (this.counts[length] === 0) continue;
      for (let symbol = 0; symbol < lengths.length; symbol += 1) {
        if (lengths[symbol] !== length) continue;
        this.symbols[place] = symbol;
        place += 1;
      }
    }
  }

  read(bits: Bits): number {
    let code = 0;
    let first = 0;
    let place = 0;
    for (let length = 1; length <= maxCodeLength; length += 1) {
      code |= bits.read(1);
      const count = this.counts[length] ?? 0;
      if (code - first < count) return this.symbols[place + code - first] ?? 0;
      place += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new NotBzip2('a block is broken');
  }
}
