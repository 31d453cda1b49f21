/** Messages whose sections hold all that AMQP 1.0 has types for, in the right order or in none. */

/** The same numbers for the same seed, from 0 to below 1. */
export function numbersOf(seed: number): () => number {
  let state = seed;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Codes and widths of the types of a fixed width (AMQP 1.0, section 1.6). */
const fixed: ReadonlyArray<readonly [code: number, width: number]> = [
  [0x40, 0],
  [0x41, 0],
  [0x42, 0],
  [0x43, 0],
  [0x44, 0],
  [0x45, 0],
  [0x50, 1],
  [0x51, 1],
  [0x52, 1],
  [0x53, 1],
  [0x54, 1],
  [0x55, 1],
  [0x60, 2],
  [0x61, 2],
  [0x70, 4],
  [0x71, 4],
  [0x72, 4],
  [0x80, 8],
  [0x81, 8],
  [0x82, 8],
  [0x83, 8],
  [0x98, 16],
];
/** RabbitMQ 3.10 knows neither these nor arrays of what is not simple. */
const unusual: ReadonlyArray<readonly [code: number, width: number]> = [
  [0x73, 4],
  [0x74, 4],
  [0x84, 8],
  [0x94, 16],
];

/** What is likely to be mistaken for something else. */
const texts = [
  '',
  'compression',
  'gzip',
  'x-opt-to',
  'ID:AMQP_UUID:x',
  'i-1',
  'é\u0000\r\n',
  'x'.repeat(300),
];

export class Hostile {
  private readonly next: () => number;
  private readonly onlyUsual: boolean;

  /** @param onlyUsual leaves out what RabbitMQ 3.10 refuses: types that it does not know, and sections in another order. */
  constructor(seed: number, onlyUsual: boolean) {
    this.next = numbersOf(seed);
    this.onlyUsual = onlyUsual;
  }

  /** A message around a body, which is the bytes of a section of data in every second one. */
  message(body: Buffer): Buffer {
    if (this.onlyUsual) return this.usual(body);
    const sections = this.some([
      section(0x70, this.header()),
      section(0x71, this.map(0xa3)),
      section(0x72, this.map(0xa3)),
      section(0x73, this.properties()),
      section(0x74, this.map(0xa1)),
      ...this.bodies(body),
      section(0x78, this.map(0xa3)),
    ]);
    if (this.chance(0.3)) sections.sort(() => this.next() - 0.5);
    if (this.chance(0.3)) sections.push(...this.some(sections));
    const whole = Buffer.concat(sections);
    if (this.chance(0.2)) return whole.subarray(0, this.below(whole.length + 1));
    for (let changes = this.chance(0.3) ? this.below(4) : 0; changes > 0; changes -= 1)
      whole[this.below(whole.length)] = this.below(256);
    return whole;
  }

  /** What RabbitMQ 3.10 takes: sections in order, no delivery annotations (it answers nothing more then), one body, and properties of the types that they have. */
  private usual(body: Buffer): Buffer {
    const [first = nothing] = this.bodies(body);
    const before = this.some([
      section(0x72, this.map(0xa3)),
      section(0x73, this.typedProperties()),
      section(0x74, this.map(0xa1)),
    ]);
    const footer = this.some([section(0x78, this.map(0xa3))]);
    return Buffer.concat([...before, first, ...footer]);
  }

  private typedProperties(): Buffer {
    const text = () => (this.chance(0.5) ? nothing : variable(0xa1, this.text()));
    const replyTo = this.chance(0.1) ? variable(0xa1, Buffer.from(`r${this.below(9)}`)) : nothing;
    // RabbitMQ checks the user.
    return listOf([this.id(), nothing, text(), text(), replyTo, this.id()]);
  }

  private id(): Buffer {
    const bytes = (code: number, width: number) =>
      Buffer.from([code, ...Array.from({ length: width }, () => this.below(256))]);
    const kinds = [nothing, bytes(0x53, 1), bytes(0x80, 8), bytes(0x98, 16), variable(0xa0, this.text())];
    return kinds[this.below(kinds.length + 1)] ?? variable(0xa1, this.text());
  }

  private bodies(body: Buffer): Buffer[] {
    const data = section(0x75, variable(0xa0, body));
    const kind = this.below(this.onlyUsual ? 6 : 8);
    if (kind < 3) return [data];
    if (kind === 3) return [data, section(0x75, variable(0xa0, Buffer.from(' ')))];
    if (kind === 4) return [section(0x77, variable(0xa1, body))];
    if (kind === 5) return [section(0x77, variable(0xa0, body))];
    if (kind === 6) return [section(0x76, this.list(3)), section(0x76, this.list(2))];
    return [section(0x77, this.value(3))];
  }

  private header(): Buffer {
    return listOf(Array.from({ length: this.below(7) }, () => this.value(1)));
  }

  private properties(): Buffer {
    const fields = Array.from({ length: this.below(14) }, () => this.simple());
    if (fields.length > 4)
      fields[4] = this.chance(0.1) ? variable(0xa1, Buffer.from(`r${this.below(9)}`)) : nothing;
    return listOf(fields);
  }

  private map(keys: number): Buffer {
    const count = this.chance(0.05) ? 200 : this.below(5);
    const items = Array.from({ length: count }, () => [
      this.onlyUsual || this.chance(0.8) ? variable(keys, this.text()) : this.value(1),
      this.onlyUsual ? this.simple() : this.value(4),
    ]);
    return listOf(items.flat(), 0xc1);
  }

  private list(depth: number): Buffer {
    return listOf(Array.from({ length: this.below(5) }, () => this.value(depth)));
  }

  private value(depth: number): Buffer {
    if (depth === 0 || this.chance(0.6)) return this.simple();
    switch (this.below(4)) {
      case 0:
        return this.list(depth - 1);
      case 1:
        return listOf([this.simple(), this.value(depth - 1)], 0xc1);
      case 2:
        return Buffer.concat([Buffer.from([0]), this.simple(), this.value(depth - 1)]);
      default: {
        const bytes = Array.from({ length: this.below(6) }, () => this.below(256));
        return Buffer.from([0xe0, bytes.length + 2, bytes.length, 0x50, ...bytes]);
      }
    }
  }

  private simple(): Buffer {
    if (this.chance(0.4)) return variable([0xa0, 0xa1, 0xa3][this.below(3)] ?? 0xa1, this.text());
    const types = this.onlyUsual ? fixed : [...fixed, ...unusual];
    const [code, width] = types[this.below(types.length)] ?? [0x40, 0];
    return Buffer.from([code, ...Array.from({ length: width }, () => this.below(256))]);
  }

  private text(): Buffer {
    const text = Buffer.from(texts[this.below(texts.length)] ?? '');
    return this.onlyUsual || this.chance(0.9) ? text : Buffer.from([0xff, 0xfe, ...text]);
  }

  private some<Item>(items: ReadonlyArray<Item>): Item[] {
    return items.filter(() => this.chance(0.7));
  }

  private chance(probability: number): boolean {
    return this.next() < probability;
  }

  private below(bound: number): number {
    return Math.floor(this.next() * bound);
  }
}

const nothing = Buffer.from([0x40]);

function section(code: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, 0x53, code]), value]);
}

/** A list, or a map of as many keys and values. */
function listOf(items: ReadonlyArray<Buffer>, code = 0xc0): Buffer {
  const head = Buffer.alloc(9, code + 0x10);
  head.writeUInt32BE(
    items.reduce((sum, { length }) => sum + length, 4),
    1,
  );
  head.writeUInt32BE(items.length, 5);
  return Buffer.concat([head, ...items]);
}

function variable(code: number, bytes: Buffer): Buffer {
  if (bytes.length < 256) return Buffer.concat([Buffer.from([code, bytes.length]), bytes]);
  const head = Buffer.alloc(5, code + 0x10);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
