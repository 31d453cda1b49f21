import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';

/** The library's own reading and writing of frames, which its `exports` hide, to compare ours with. */

const amqplib = fileURLToPath(new URL('../../node_modules/amqplib/', import.meta.url));
const require = createRequire(import.meta.url);

export const { version }: { version: string } = require(`${amqplib}package.json`);

export const library: {
  decode(id: number, bytes: Buffer): Record<string, unknown> & { headers?: Record<string, unknown> };
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer;
  encodeMethod(id: number, channel: number, fields: object): Buffer;
  readonly BasicProperties: number;
  readonly BasicAck: number;
  readonly BasicNack: number;
} = require(`${amqplib}lib/defs.js`);

export const { Connection }: { Connection: { prototype: { recvFrame(): unknown } } } = require(
  `${amqplib}lib/connection.js`,
);

/** A frame's bytes before the flags: its own seven, class, weight and size. */
const beforeFlags = 7 + 12;

const texts = fc.string({ maxLength: 60, unit: 'binary' });
const value = fc.oneof(
  texts,
  fc.integer(),
  fc.double({ noNaN: true, min: -1e9, max: 1e9 }),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.array(fc.integer(), { maxLength: 5 }),
  fc.dictionary(texts, fc.oneof(texts, fc.boolean()), { maxKeys: 3 }),
);
const octet = fc.integer({ min: 0, max: 255 });

/** Properties that the library can write. */
export const wellFormed = fc.record(
  {
    contentType: texts,
    contentEncoding: texts,
    headers: fc
      .tuple(
        fc.dictionary(texts, value, { maxKeys: 5 }),
        fc.option(value, { nil: undefined }),
        fc.dictionary(texts, value, { maxKeys: 5 }),
      )
      .map(([before, compression, after]) => ({
        ...before,
        ...(compression !== undefined && { compression }),
        ...after,
      })),
    deliveryMode: octet,
    priority: octet,
    correlationId: texts,
    replyTo: texts,
    expiration: texts,
    messageId: texts,
    timestamp: fc.nat(),
    type: texts,
    userId: texts,
    appId: texts,
  },
  { requiredKeys: [] },
);

/** The bytes of the flags and the list, as the library writes them. */
export function listOf(properties: object): Buffer {
  const encoded = library.encodeProperties(library.BasicProperties, 1, 0, properties);
  return encoded.subarray(beforeFlags, encoded.length - 1);
}

/** Of what the library reads in a list of properties, that which we use. */
export function usedOf(list: Buffer): Record<string, unknown> {
  const { headers, ...others } = library.decode(library.BasicProperties, list);
  const compression = headers?.compression;
  return {
    compression: typeof compression === 'string' ? compression : undefined,
    correlationId: others.correlationId,
    replyTo: others.replyTo,
    expiration: others.expiration,
    messageId: others.messageId,
    userId: others.userId,
  };
}
