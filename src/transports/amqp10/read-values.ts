/** Codes of the forms with a size of one byte. The forms with a size of four bytes have codes 0x10 higher (AMQP 1.0, section 1.6). */
export const list = 0xc0;
export const map = 0xc1;

/** Descriptors of sections may also be symbols (AMQP 1.0, section 3.2). */
const symbolicSections: Readonly<Record<string, number>> = {
  'amqp:header:list': 0x70,
  'amqp:delivery-annotations:map': 0x71,
  'amqp:message-annotations:map': 0x72,
  'amqp:properties:list': 0x73,
  'amqp:application-properties:map': 0x74,
  'amqp:data:binary': 0x75,
  'amqp:amqp-sequence:list': 0x76,
  'amqp:value:*': 0x77,
  'amqp:amqp-value:*': 0x77,
  'amqp:footer:map': 0x78,
};

/** Bytes of a value of a fixed width, by the upper half of its code (AMQP 1.0, section 1.2). */
const fixedWidths = [0, 1, 2, 4, 8, 16];
/** The deepest nesting of described values that is read. No broker or client nests deeper. */
const deepest = 8;

/** Reads encoded values one after the other. After a read, `code` is the value's type and `start` to `end` its bytes. */
export class Cursor {
  private readonly message: Buffer;
  private readonly limit: number;
  private left: number;
  next: number;
  code = 0;
  start = 0;
  end = 0;

  constructor(message: Buffer, next = 0, limit = message.length, left = 0) {
    this.message = message;
    this.next = next;
    this.limit = limit;
    this.left = left;
  }

  /** Reads a described value and returns the section that its descriptor names; 0 if the descriptor is unknown. */
  readSection(): number {
    const { message, next } = this;
    // The usual form of a descriptor: a small number.
    if (message[next] === 0 && message[next + 1] === 0x53) {
      const section = message[next + 2] ?? 0;
      this.read(next + 3, 0);
      return section;
    }
    if (message[next] !== 0) throw new RangeError('not a section');
    this.read(next + 1, 0);
    const { code, start, end } = this;
    const symbolic = code === 0xa3 || code === 0xb3;
    const section = symbolic
      ? (symbolicSections[message.toString('latin1', start, end)] ?? 0)
      : code === 0x80
        ? Number(message.readBigUInt64BE(start))
        : 0;
    this.read(end, 0);
    return section;
  }

  /** The last value, if it is a uint. */
  uint(): number | undefined {
    if (this.code === 0x52) return this.message.readUInt8(this.start);
    if (this.code === 0x70) return this.message.readUInt32BE(this.start);
    return this.code === 0x43 ? 0 : undefined;
  }

  isTrue(): boolean {
    return this.code === 0x41 || (this.code === 0x56 && this.message[this.start] === 1);
  }

  isFalse(): boolean {
    return this.code === 0x42 || (this.code === 0x56 && this.message[this.start] === 0);
  }

  /** A cursor over the items of the last value, if it is a list or map of this kind. Otherwise over none. */
  items(kind: typeof list | typeof map): Cursor {
    const { message, code, start, end } = this;
    if (code === kind) return new Cursor(message, start + 1, end, message.readUInt8(start));
    if (code === kind + 0x10) return new Cursor(message, start + 4, end, message.readUInt32BE(start));
    return new Cursor(message, end, end, 0);
  }

  /** Reads the next item of a list or map; false if there is none. */
  readField(): boolean {
    if (this.left === 0) return false;
    this.left -= 1;
    this.read(this.next, 0);
    this.next = this.end;
    return true;
  }

  private read(at: number, depth: number): void {
    if (at >= this.limit || depth > deepest) throw new RangeError('the encoding breaks off');
    const code = this.message[at] ?? 0;
    if (code === 0) {
      this.read(at + 1, depth + 1);
      this.read(this.end, depth + 1);
      return;
    }
    const kind = code >>> 4;
    let start = at + 1;
    let size = fixedWidths[kind - 4];
    if (size === undefined) {
      // A size of one byte precedes even kinds, a size of four bytes odd ones.
      if (kind < 0xa) throw new RangeError('no such type');
      const wide = (kind & 1) === 1;
      size = wide ? this.message.readUInt32BE(start) : this.message.readUInt8(start);
      start += wide ? 4 : 1;
    }
    this.code = code;
    this.start = start;
    this.end = start + size;
    if (this.end > this.limit) throw new RangeError('the encoding breaks off');
  }
}
