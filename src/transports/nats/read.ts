/**
 * Reads the messages of the claimed subscriptions from the chunks of the socket. The client library's parser gets all other bytes
 * unchanged.
 *
 * The server writes `MSG <subject> <sid> [reply] <size>\r\n<body>\r\n`, and with a header block
 * `HMSG <subject> <sid> [reply] <size of the block> <size of both>\r\n<block><body>\r\n` (NATS client protocol). Senders choose the bytes
 * of subject, reply, block and body, but cannot put a space or a line feed into the line.
 */

/** The offsets of a message in its bytes. One object serves all messages, so it is valid only until its taker returns. */
export interface Incoming {
  readonly bytes: Buffer;
  readonly subjectAt: number;
  readonly subjectEnd: number;
  /** Equal to `replyEnd` if there is no reply subject. */
  readonly replyAt: number;
  readonly replyEnd: number;
  /** Equal to `bodyAt` if there is no header block. */
  readonly blockAt: number;
  readonly bodyAt: number;
  readonly end: number;
  /** The time at which the last byte was read, in milliseconds of the monotonic clock; one time a chunk. */
  readonly receivedAt: number;
}

export type Take = (message: Incoming) => void;

const nothing = Buffer.alloc(0);
const [space, lineFeed, carriageReturn, digit0, digit9] = [0x20, 0x0a, 0x0d, 0x30, 0x39];
const [letterH, letterM] = [0x48, 0x4d];

/** The longest line, in bytes. The server's own bound for clients' lines is 4096; its lines about itself may be longer. */
const longestLine = 2 ** 20;

/** More digits than any size has. A server takes messages up to 64 MiB. */
const mostDigits = 9;

export class Reader {
  private readonly passOn: (bytes: Uint8Array) => void;
  private readonly takers = new Map<number, Take>();
  private readonly message: { -readonly [Key in keyof Incoming]: Incoming[Key] } = {
    bytes: nothing,
    subjectAt: 0,
    subjectEnd: 0,
    replyAt: 0,
    replyEnd: 0,
    blockAt: 0,
    bodyAt: 0,
    end: 0,
    receivedAt: 0,
  };
  /** The subscription of `message`. */
  private id = 0;
  /** The offsets of the spaces in a message's line, and then of its end. */
  private readonly ends = [0, 0, 0, 0, 0, 0];
  /** A line whose end has not come yet. */
  private head = nothing;
  /** A message of ours whose end has not come yet. `message` has its offsets. */
  private whole: Buffer | undefined;
  private filled = 0;
  /** Missing bytes of a message that is not ours. */
  private passing = 0;

  /** @param passOn takes all bytes that are not ours. */
  constructor(passOn: (bytes: Uint8Array) => void) {
    this.passOn = passOn;
  }

  /** Claims a subscription: `take` gets its messages from now on. */
  claim(id: number, take: Take): void {
    this.takers.set(id, take);
  }

  /** Ends a claim. */
  disclaim(id: number): void {
    this.takers.delete(id);
  }

  /** Throws over bytes that no server writes, and rethrows an exception of a taker. Nothing more can be read then. */
  read(chunk: Buffer): void {
    this.message.receivedAt = performance.now();
    const begin = this.whole === undefined ? 0 : this.fill(this.whole, chunk);
    if (this.whole !== undefined) return;
    const bytes = this.head.length === 0 ? chunk : Buffer.concat([this.head, chunk]);
    this.head = nothing;
    let passed = begin;
    let at = Math.min(begin + this.passing, bytes.length);
    this.passing -= at - begin;
    while (at < bytes.length) {
      const first = bytes[at];
      const isMessage = first === letterM || first === letterH;
      const behind = isMessage ? this.readLine(bytes, at) : bytes.indexOf(lineFeed, at) + 1;
      if (behind === 0) {
        if (bytes.length - at > longestLine) throw new Error('a line is too long');
        // A copy, so that the line does not keep its chunk in memory.
        this.head = Buffer.from(bytes.subarray(at));
        break;
      }
      const take = isMessage ? this.takers.get(this.id) : undefined;
      const next = isMessage ? this.message.end + 2 : behind;
      if (take !== undefined) {
        if (passed < at) this.passOn(bytes.subarray(passed, at));
        passed = next;
        if (next > bytes.length) this.keep(bytes, at, next);
        else take(this.message);
      } else if (next > bytes.length) this.passing = next - bytes.length;
      at = next;
    }
    const end = Math.min(at, bytes.length);
    if (passed < end) this.passOn(bytes.subarray(passed, end));
  }

  /** Keeps the first part of a message of ours. Its other parts are added as they come. */
  private keep(bytes: Buffer, at: number, next: number): void {
    const { message } = this;
    this.whole = Buffer.allocUnsafe(next - at);
    this.filled = bytes.copy(this.whole, 0, at);
    message.bytes = this.whole;
    for (const place of [
      'subjectAt',
      'subjectEnd',
      'replyAt',
      'replyEnd',
      'blockAt',
      'bodyAt',
      'end',
    ] as const)
      message[place] -= at;
  }

  /** Adds bytes to the kept message, and returns how many. Hands the message on once it is whole. */
  private fill(whole: Buffer, chunk: Buffer): number {
    const taken = chunk.copy(whole, this.filled);
    this.filled += taken;
    if (this.filled < whole.length) return taken;
    this.whole = undefined;
    this.takers.get(this.id)?.(this.message);
    return taken;
  }

  /** Reads the line of a message. Returns the offset of the next line; 0 if its end has not come yet. */
  private readLine(bytes: Buffer, at: number): number {
    const { ends, message } = this;
    const hasBlock = bytes[at] === letterH;
    let words = 0;
    let index = at;
    for (; index < bytes.length; index += 1) {
      const byte = bytes[index];
      if (byte === lineFeed) break;
      if (byte !== space) continue;
      if (words === 5) throw new Error('a message has too many words');
      ends[words] = index;
      words += 1;
    }
    if (index === bytes.length) return 0;
    ends[words] = bytes[index - 1] === carriageReturn ? index - 1 : index;
    const [subject, id, third, fourth, fifth] = [
      ends[1] ?? 0,
      ends[2] ?? 0,
      ends[3] ?? 0,
      ends[4] ?? 0,
      ends[5] ?? 0,
    ];
    const least = hasBlock ? 4 : 3;
    if (words < least || words > least + 1) throw new Error('a message has too few or too many words');
    const hasReply = words > least;
    const sizes = hasReply ? third : id;
    const blockEnd = hasReply ? fourth : third;
    const total = hasBlock
      ? numberIn(bytes, blockEnd + 1, hasReply ? fifth : fourth)
      : numberIn(bytes, sizes + 1, blockEnd);
    const block = hasBlock ? numberIn(bytes, sizes + 1, blockEnd) : 0;
    if (block > total) throw new Error('a header block is larger than its message');
    this.id = numberIn(bytes, subject + 1, id);
    message.bytes = bytes;
    message.subjectAt = (ends[0] ?? 0) + 1;
    message.subjectEnd = subject;
    message.replyAt = id + 1;
    message.replyEnd = hasReply ? third : id + 1;
    message.blockAt = index + 1;
    message.bodyAt = index + 1 + block;
    message.end = index + 1 + total;
    return index + 1;
  }
}

function numberIn(bytes: Buffer, from: number, end: number): number {
  let value = 0;
  for (let at = from; at < end; at += 1) {
    const digit = bytes[at] ?? 0;
    if (digit < digit0 || digit > digit9) throw new Error('a size is not a number');
    value = value * 10 + digit - digit0;
  }
  if (end <= from || end - from > mostDigits) throw new Error('a size is not a number');
  return value;
}
