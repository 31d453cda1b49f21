import { Bits, maxCodeLength, NotBzip2, Table } from './bzip2-code.ts';

/**
 * Reads bzip2, since Node has no reader for it. Format: https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf, as bzip2
 * 1.0 writes it. The registry's packages for it are years old and have no bounds; here the caller bounds output and memory.
 */

/** The plain bytes are more than the caller accepts. */
export class TooLong extends Error {}

const blockMagic = [0x314159, 0x265359] as const;
const endMagic = [0x177245, 0x385090] as const;

/** Symbols in a group. A group is coded with one table. */
const groupSize = 50;
const maxTables = 6;

/**
 * Inflates one stream, or several streams in a row. Bytes after the last stream are ignored, as Python does.
 *
 * @param maxLength bytes. Throws TooLong before the output exceeds it.
 * @throws NotBzip2 if the bytes are no bzip2 stream, or a broken one.
 */
export function bunzip2(input: Uint8Array, maxLength: number): Buffer {
  const bits = new Bits(input);
  const output = new Output(maxLength);
  let streams = 0;
  while (streams === 0 || bits.continues()) {
    readStream(bits, output);
    streams += 1;
  }
  return output.bytes();
}

function readStream(bits: Bits, output: Output): void {
  const level = bits.read(24) === 0x425a68 ? bits.read(8) - 0x30 : 0;
  if (level < 1 || level > 9) throw new NotBzip2('it does not begin as bzip2 does');
  // Four plain bytes take five bytes of a block at most.
  const maxBlock = Math.min(level * 100_000, Math.ceil(output.maxLength * 1.25) + 5);
  for (;;) {
    const magic = [bits.read(24), bits.read(24)];
    const check = bits.read(32);
    if (magic[0] === endMagic[0] && magic[1] === endMagic[1]) {
      bits.align();
      return;
    }
    if (magic[0] !== blockMagic[0] || magic[1] !== blockMagic[1]) throw new NotBzip2('a block is missing');
    output.begin();
    readBlock(bits, maxBlock, level * 100_000, output);
    if (output.checksum() !== check) throw new NotBzip2('a checksum does not fit');
  }
}

function readBlock(bits: Bits, maxBlock: number, declared: number, output: Output): void {
  if (bits.read(1) === 1) throw new NotBzip2('a block is of the kind that only versions before 0.9.5 wrote');
  const origin = bits.read(24);
  const used = readUsed(bits);
  const alphabet = used.length + 2;
  const tableCount = bits.read(3);
  const selectorCount = bits.read(15);
  if (used.length === 0 || tableCount < 2 || tableCount > maxTables || selectorCount === 0)
    throw new NotBzip2('a block is broken');
  const selectors = readSelectors(bits, selectorCount, tableCount);
  const tables = Array.from({ length: tableCount }, () => new Table(readLengths(bits, alphabet)));

  // Per byte value its count; and all bytes in sorted order.
  const counts = new Uint32Array(256);
  let block = new Uint32Array(Math.min(maxBlock, 16_384));
  let length = 0;
  const put = (byte: number, times: number) => {
    const end = length + times;
    if (end > maxBlock) throw end > declared ? new NotBzip2('a block is too long') : new TooLong();
    if (end > block.length) {
      const larger = new Uint32Array(Math.min(maxBlock, Math.max(end, 2 * block.length)));
      larger.set(block);
      block = larger;
    }
    block.fill(byte, length, end);
    counts[byte] = (counts[byte] ?? 0) + times;
    length = end;
  };

  let run = 0;
  let weight = 1;
  for (let position = 0; ; position += 1) {
    const table = tables[selectors[Math.floor(position / groupSize)] ?? -1];
    if (table === undefined) throw new NotBzip2('a block is broken');
    const symbol = table.read(bits);
    if (symbol <= 1) {
      // The digits 1 and 2 of a run's length, the lowest first.
      run += weight << symbol;
      weight <<= 1;
      if (run > declared) throw new NotBzip2('a block is too long');
      continue;
    }
    if (run > 0) put(used[0] ?? 0, run);
    run = 0;
    weight = 1;
    if (symbol === alphabet - 1) break;
    const byte = used[symbol - 1] ?? 0;
    used.copyWithin(1, 0, symbol - 1);
    used[0] = byte;
    put(byte, 1);
  }
  if (origin >= length) throw new NotBzip2('a block is broken');
  unsort(block, length, counts);
  output.write(block, length, origin);
}

/** The byte values that occur in the block, in ascending order. */
function readUsed(bits: Bits): Uint8Array {
  const rows = bits.read(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row += 1) {
    if ((rows & (0x8000 >> row)) === 0) continue;
    const columns = bits.read(16);
    for (let column = 0; column < 16; column += 1)
      if ((columns & (0x8000 >> column)) !== 0) used.push(16 * row + column);
  }
  return Uint8Array.from(used);
}

/** The table of each group. */
function readSelectors(bits: Bits, count: number, tables: number): Uint8Array {
  const order = Uint8Array.from({ length: tables }, (_, index) => index);
  const selectors = new Uint8Array(count);
  for (let index = 0; index < count; index += 1) {
    let place = 0;
    while (bits.read(1) === 1) {
      place += 1;
      if (place === tables) throw new NotBzip2('a block is broken');
    }
    const table = order[place] ?? 0;
    order.copyWithin(1, 0, place);
    order[0] = table;
    selectors[index] = table;
  }
  return selectors;
}

/** The code length of each symbol, in bits. */
function readLengths(bits: Bits, alphabet: number): Uint8Array {
  const lengths = new Uint8Array(alphabet);
  let length = bits.read(5);
  for (let symbol = 0; symbol < alphabet; symbol += 1) {
    for (;;) {
      if (length < 1 || length > maxCodeLength) throw new NotBzip2('a block is broken');
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return lengths;
}

/** Undoes the Burrows-Wheeler transform. The bits above each byte hold the index of the byte that follows it. */
function unsort(block: Uint32Array, length: number, counts: Uint32Array): void {
  let sum = 0;
  for (let byte = 0; byte < 256; byte += 1) {
    const count = counts[byte] ?? 0;
    counts[byte] = sum;
    sum += count;
  }
  for (let place = 0; place < length; place += 1) {
    const byte = (block[place] ?? 0) & 0xff;
    const to = counts[byte] ?? 0;
    counts[byte] = to + 1;
    block[to] = (block[to] ?? 0) | (place << 8);
  }
}

/** The plain bytes, up to a bound. */
class Output {
  readonly maxLength: number;
  private buffer: Buffer;
  private length = 0;
  private crc = 0;

  constructor(maxLength: number) {
    this.maxLength = maxLength;
    this.buffer = Buffer.alloc(Math.min(maxLength, 16_384));
  }

  begin(): void {
    this.crc = 0xffffffff;
  }

  checksum(): number {
    return ~this.crc >>> 0;
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  /** Adds a block. In a block, the byte after four equal bytes says how many more of them follow. */
  write(block: Uint32Array, length: number, origin: number): void {
    let at = (block[origin] ?? 0) >>> 8;
    let last = -1;
    let equal = 0;
    for (let count = 0; count < length; count += 1) {
      const entry = block[at] ?? 0;
      const byte = entry & 0xff;
      at = entry >>> 8;
      if (equal === 4) {
        for (let more = 0; more < byte; more += 1) this.put(last);
        equal = 0;
        last = -1;
        continue;
      }
      equal = byte === last ? equal + 1 : 1;
      last = byte;
      this.put(byte);
    }
  }

  private put(byte: number): void {
    if (this.length === this.maxLength) throw new TooLong();
    if (this.length === this.buffer.length) {
      const larger = Buffer.alloc(Math.min(this.maxLength, 2 * this.buffer.length));
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.buffer[this.length] = byte;
    this.length += 1;
    this.crc = (this.crc << 8) ^ (crcTable[(this.crc >>> 24) ^ byte] ?? 0);
  }
}

/** CRC-32 with the polynomial 0x04c11db7, the highest bit first. */
const crcTable = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});
