/** AMQP 0-9-1 as bytes, for what no client library writes. */

/** Every type of a field's value that brokers and clients know, with a value of it. */
export const fieldTypes: ReadonlyArray<readonly [type: string, data: Buffer]> = [
  ['t', Buffer.of(1)],
  ['b', Buffer.of(0x80)],
  ['B', Buffer.of(0xff)],
  ['s', Buffer.of(0x80, 0)],
  ['u', Buffer.of(0xff, 0xff)],
  ['I', Buffer.alloc(4, 0xff)],
  ['i', Buffer.alloc(4, 0xff)],
  ['l', Buffer.alloc(8, 0xff)],
  ['L', Buffer.alloc(8, 0xff)],
  ['f', Buffer.alloc(4, 0xff)],
  ['d', Buffer.alloc(8, 0xff)],
  ['D', Buffer.alloc(5, 0xff)],
  ['T', Buffer.alloc(8, 0xff)],
  ['V', Buffer.alloc(0)],
  ['S', Buffer.from('a text')],
  ['x', Buffer.from([0, 0xff, 0xfe])],
  ['A', Buffer.from('tbV'.replace('b', '\u0001'))],
  ['F', Buffer.concat([Buffer.of(1), Buffer.from('aV')])],
];

/** Types whose data has its length in front. */
const counted = new Set(['S', 'x', 'A', 'F']);

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** A short string. */
export function short(bytes: Buffer | string): Buffer {
  const content = Buffer.from(bytes);
  return Buffer.concat([Buffer.of(content.length), content]);
}

/** One field of a table: its name, type and data, without the data's length. */
export function field(name: Buffer | string, type: string, data: Buffer): Buffer {
  const content = counted.has(type) ? withLength(data) : data;
  return Buffer.concat([short(name), Buffer.from(type, 'latin1'), content]);
}

/** A table of these fields, with its length in front. */
export function table(...fields: ReadonlyArray<Buffer>): Buffer {
  return withLength(Buffer.concat(fields));
}

/** A table in a table, so often, as the content of the outermost. */
export function nested(depth: number): Buffer {
  // What `field('', 'F', inner)` makes, without a copy of all that is within at each level.
  const header = field('', 'F', Buffer.alloc(0));
  const size = header.length;
  const all = Buffer.alloc(size * depth);
  for (let level = 0; level < depth; level += 1) {
    header.writeUInt32BE(size * (depth - level - 1), size - 4);
    header.copy(all, size * level);
  }
  return all;
}

/** All properties, in the order of the protocol. Those of one or eight octets and the table are taken as they are. */
const properties = [
  'contentType',
  'contentEncoding',
  'headers',
  'deliveryMode',
  'priority',
  'correlationId',
  'replyTo',
  'expiration',
  'messageId',
  'timestamp',
  'type',
  'userId',
  'appId',
  'clusterId',
] as const;
const asTheyAre: ReadonlySet<string> = new Set(['headers', 'deliveryMode', 'priority', 'timestamp']);

export type PropertyBytes = { readonly [Name in (typeof properties)[number]]?: Buffer };

/** Flags and list of the properties. */
export function property(given: PropertyBytes): Buffer {
  const flags = Buffer.alloc(2);
  const parts = properties.flatMap((name, index) => {
    const bytes = given[name];
    if (bytes === undefined) return [];
    flags.writeUInt16BE(flags.readUInt16BE() | (1 << (15 - index)));
    return [asTheyAre.has(name) ? bytes : short(bytes)];
  });
  return Buffer.concat([flags, ...parts]);
}

/** One frame. */
export function frame(type: number, channel: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.of(0xce)]);
}

/** The frames of one message that is published; its body has to fit one frame. */
export function published(exchange: string, routingKey: Buffer | string, list: Buffer, body: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(60);
  head.writeBigUInt64BE(BigInt(body.length), 4);
  const method = [Buffer.of(0, 60, 0, 40, 0, 0), short(exchange), short(routingKey), Buffer.of(0)];
  return Buffer.concat([
    frame(1, 1, Buffer.concat(method)),
    frame(2, 1, Buffer.concat([head, list])),
    ...(body.length > 0 ? [frame(3, 1, body)] : []),
  ]);
}

/** A message as a broker delivers it. */
export interface Sent {
  readonly tag: bigint;
  readonly redelivered: boolean;
  readonly exchange: Buffer;
  readonly routingKey: Buffer;
  /** The bytes of the properties. */
  readonly list: Buffer;
  /** The body, as it is split into frames. */
  readonly parts: ReadonlyArray<Buffer>;
}

const basicDeliver = Buffer.of(0, 60, 0, 60);

/** The frames of a message that is delivered. */
export function framesOf(
  { tag, redelivered, exchange, routingKey, list, parts }: Sent,
  channel = 1,
): Buffer[] {
  const fixed = Buffer.alloc(9);
  fixed.writeBigUInt64BE(tag);
  fixed.writeUInt8(redelivered ? 1 : 0, 8);
  const names = [short(exchange), short(routingKey)];
  return [
    frame(1, channel, Buffer.concat([basicDeliver, short('the consumer'), fixed, ...names])),
    ...contentOf(list, parts, channel),
  ];
}

/** The frames of a content: its header and its body. */
export function contentOf(list: Buffer, parts: ReadonlyArray<Buffer>, channel: number): Buffer[] {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(60);
  head.writeBigUInt64BE(BigInt(Buffer.concat(parts).length), 4);
  return [
    frame(2, channel, Buffer.concat([head, list])),
    ...parts.filter(({ length }) => length > 0).map((part) => frame(3, channel, part)),
  ];
}
