/**
 * Reads what a server sends, straight out of the chunks of the socket: the messages of the subscriptions that are claimed here.
 * Everything else goes on to the client library's parser, byte for byte.
 *
 * The server writes `MSG <subject> <sid> [reply] <size>\r\n<body>\r\n`, and with a header block
 * `HMSG <subject> <sid> [reply] <size of the block> <size of both>\r\n<block><body>\r\n` (NATS client protocol). Senders choose the
 * bytes of subject, reply, block and body, but can put no space and no line feed into the line.
 */

/** A message where it lies in the bytes. One object serves all: it is good only until its taker returns. */
export interface Incoming {
  readonly bytes: Buffer;
  readonly subjectAt: number;
  readonly subjectEnd: number;
  /** Equal to `replyEnd`: it has none. */
  readonly replyAt: number;
  readonly replyEnd: number;
  /** Equal to `bodyAt`: it has none. */
  readonly blockAt: number;
  readonly bodyAt: number;
  readonly end: number;
  /** When its last byte was read, in milliseconds of the monotonic clock. The same for all of a chunk. */
  readonly receivedAt: number;
}

export type Take = (message: Incoming) => void;

const nothing = Buffer.alloc(0);
const [space, lineFeed, carriageReturn, digit0, digit9] = [0x20, 0x0a, 0x0d, 0x30, 0x39];
const [letterH, letterM] = [0x48, 0x4d];

/** Bytes of a line at most. The server's own bound for what clients write is 4096; what it writes about itself may be longer. */
const longestLine = 2 ** 20;

/** More digits than any size has. A server takes messages of 64 MiB at most. */
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
  /** Where the spaces of a message's line stand, and behind them where its last word ends. */
  private readonly ends = [0, 0, 0, 0, 0, 0];
  /** A line of which the end is to come. */
  private head = nothing;
  /** A message of ours, of which the end is to come: `message` says where its parts are. */
  private whole: Buffer | undefined;
  private filled = 0;
  /** Bytes to come of a message that is not ours. */
  private passing = 0;

  /** @param passOn takes everything that is not ours. */
  constructor(passOn: (bytes: Uint8Array) => void) {
    this.passOn = passOn;
  }

  /** The messages of this subscription go to `take` from now on. */
  claim(id: number, take: Take): void {
    this.takers.set(id, take);
  }

  /** No more of them come. */
  disclaim(id: number): void {
    this.takers.delete(id);
  }

  /** Throws over bytes that no server writes, and passes on an exception of a taker. Nothing more can be read then. */
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
        // A copy: the chunk is not to be kept for it.
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

  /** Keeps the part of a message of ours that is there. The rest is put behind it as it comes. */
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

  /** Returns how many bytes of the chunk belong to the message that is kept; hands it on if that was the rest. */
  private fill(whole: Buffer, chunk: Buffer): number {
    const taken = chunk.copy(whole, this.filled);
    this.filled += taken;
    if (this.filled < whole.length) return taken;
    this.whole = undefined;
    this.takers.get(this.id)?.(this.message);
    return taken;
  }

  /** Reads the line of a message. Returns where the next line begins; 0: its end has not come yet. */
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
