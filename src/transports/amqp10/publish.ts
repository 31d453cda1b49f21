import { Undeliverable } from '../../core/errors.ts';
import type { TraceContext } from '../../core/message/trace-context.ts';
import type { Publication } from '../../core/transport/contract.ts';
import { isWritableName } from '../../core/transport/names.ts';
import type { Amqp10Connection } from './connect.ts';
import { type TypedId, typedId } from './read-id.ts';
import { SenderLinks } from './sender-links.ts';
import { isOwn, type OwnAddresses, queueAddress, replyAddress } from './topology.ts';

/**
 * Publishes answers and notifications: on one link for all addresses if the broker has an anonymous terminus, otherwise on a link for each
 * address.
 */
export class Publisher {
  private readonly connection: Amqp10Connection;
  private readonly own: OwnAddresses;
  private readonly links: SenderLinks;

  /** @param own the addresses to which no answer may go. */
  constructor(connection: Amqp10Connection, own: OwnAddresses) {
    this.connection = connection;
    this.own = own;
    this.links = new SenderLinks(connection);
  }

  /** Like `Session.publish` of the contract. */
  async publish({ to, body, messageId, correlationId, contentType, trace }: Publication): Promise<void> {
    // RabbitMQ 3.10 stops answering on a connection after an address with invalid characters.
    if (!isWritableName(to.name)) throw new Undeliverable(`no answer may go to ${to.name.slice(0, 64)}`);
    const { broker } = this.connection;
    if (to.kind === 'reply' && isOwn(broker, to.name, this.own))
      throw new Undeliverable(`no answer may go to ${to.name}: it would come back as a message of our own`);
    const address = to.kind === 'reply' ? replyAddress(broker, to.name) : queueAddress(broker, to.name);
    const payload = encodeMessage({ to: address, body, messageId, correlationId, contentType, trace });
    const sent = await this.links.send(broker.anonymousRelay ? undefined : address, payload);
    // A caller that has gone is no failure of ours. A notification without a listener is the publisher's own affair.
    if (sent === 'unroutable' && to.kind === 'topic') throw new Undeliverable(`nobody is at ${address}`);
  }
}

/** A message to send. The body becomes a data section. */
export interface EncodedMessage {
  readonly body: Uint8Array;
  readonly messageId?: string | undefined;
  /** The user that we have signed in as. Brokers that check it refuse any other. */
  readonly userId?: string | undefined;
  /** The destination, on a link without an address of its own. */
  readonly to?: string | undefined;
  readonly replyTo?: string | undefined;
  /** The correlation id as it was received, with its type. */
  readonly correlationId?: string | undefined;
  readonly contentType?: string | undefined;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
  /** The context of a span, as application properties. */
  readonly trace?: TraceContext | undefined;
}

const nothing = Buffer.from([0x40]);
const durable = Buffer.from([0x41]);

/** Encodes a durable message (AMQP 1.0, section 3.2): header, properties, perhaps application properties, one data section. Ids keep their types. */
export function encodeMessage(message: EncodedMessage): Buffer {
  const { body, messageId, userId, to, replyTo, correlationId, contentType, ttl, trace } = message;
  return Buffer.concat([
    section(0x70, list([durable, nothing, ttl === undefined ? nothing : uint(ttl)])),
    section(
      0x73,
      list([
        messageId === undefined ? nothing : id(typedId(messageId)),
        userId === undefined ? nothing : variable(0xa0, Buffer.from(userId)),
        text(to),
        nothing,
        text(replyTo),
        correlationId === undefined ? nothing : id(typedId(correlationId)),
        // A symbol.
        ...(contentType === undefined ? [] : [variable(0xa3, Buffer.from(contentType))]),
      ]),
    ),
    ...(trace === undefined ? [] : [section(0x74, map(Object.entries(trace).flat()))]),
    section(0x75, variable(0xa0, body)),
  ]);
}

function section(code: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x00, 0x53, code]), value]);
}

/** A list32. */
function list(fields: ReadonlyArray<Buffer>): Buffer {
  return compound(0xd0, fields);
}

/** A map32 of texts. */
function map(texts: ReadonlyArray<string>): Buffer {
  return compound(0xd1, texts.map(text));
}

/** The size, which includes the count, the count and the items. */
function compound(code: number, fields: ReadonlyArray<Buffer>): Buffer {
  const head = Buffer.alloc(9, code);
  head.writeUInt32BE(
    fields.reduce((sum, { length }) => sum + length, 4),
    1,
  );
  head.writeUInt32BE(fields.length, 5);
  return Buffer.concat([head, ...fields]);
}

/** @param code of the form with a size of one byte. The form with a size of four bytes is 0x10 higher. */
function variable(code: number, bytes: Uint8Array): Buffer {
  if (bytes.length < 256) return Buffer.concat([Buffer.from([code, bytes.length]), bytes]);
  const head = Buffer.alloc(5, code + 0x10);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function text(given: string | undefined): Buffer {
  return given === undefined ? nothing : variable(0xa1, Buffer.from(given));
}

function uint(value: number): Buffer {
  const bytes = Buffer.alloc(5, 0x70);
  bytes.writeUInt32BE(Math.min(Math.max(0, Math.ceil(value)), 0xffff_ffff), 1);
  return bytes;
}

function id({ type, bytes }: TypedId): Buffer {
  if (type === 'ulong') return Buffer.concat([Buffer.from([0x80]), bytes]);
  if (type === 'uuid') return Buffer.concat([Buffer.from([0x98]), bytes]);
  return variable(type === 'string' ? 0xa1 : 0xa0, bytes);
}
