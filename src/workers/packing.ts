import { createHash } from 'node:crypto';
import { eventFrame } from '../core/message/codecs/cloudevents-binary.ts';
import type { CallRun } from '../core/message/outcome.ts';
import type { TraceContext } from '../core/message/trace-context.ts';
import type { Delivery, DeliveryMeta, SenderProof } from '../core/transport/contract.ts';
import { keptBody, type RawMessage } from './raw-message.ts';

export interface PackedBatch {
  readonly transport: string;
  readonly count: number;
  /** Transferred, not copied. The sending side cannot use it afterwards. */
  readonly buffer: ArrayBuffer;
  /** The trace that its transactions belong to; left out if tracing is off. */
  readonly traceId?: string;
  /** The contexts of its messages, each in the message's place; left out if tracing is off, or if none has one. */
  readonly traces?: ReadonlyArray<TraceContext | undefined>;
}

/** A call, packed for a worker. */
export interface PackedCall extends CallRun {
  /** A batch of one message. */
  readonly batch: PackedBatch;
}

const digestLength = 32;
const proofs: ReadonlyArray<SenderProof | undefined> = [undefined, 'subject', 'user-id'];
/** A flag added to the index of a proof: the message has a reply address. */
const callFlag = 4;
const proofMask = 3;
/** Above these bits stands the length of the compression's name, plus one; 0 if the body is not compressed. */
const compressionShift = 8;
/** Characters that are kept of a compression's name. No supported name is longer. */
const maxCompression = 64;
/** Words per message: carried body bytes, all body bytes, message id bytes + 1, sender bytes + 1, proof and flags. */
const words = 5;

/**
 * Packs deliveries into one buffer: a table of unsigned 32-bit words, then each message's bytes. The length of a text is stored
 * plus one, so that 0 means "no text".
 *
 * @param maxBody bytes. A longer body is cut to a prefix, and its digest is added.
 * @param traceId of the trace that its transactions belong to; undefined if tracing is off.
 */
export function pack(
  transport: string,
  deliveries: ReadonlyArray<Delivery>,
  maxBody: number,
  traceId?: string,
): PackedBatch {
  const table = new Uint32Array(deliveries.length * words);
  let total = table.byteLength;
  let row = 0;
  for (const { body, meta } of deliveries) {
    const isLarge = body.length > maxBody;
    const frame = isLarge ? 0 : frameLength(meta, body);
    const carried = isLarge ? Math.min(maxBody, keptBody) : body.length + frame;
    const messageId = textLength(meta.messageId);
    const sender = textLength(meta.sender);
    table[row] = carried;
    table[row + 1] = body.length + frame;
    table[row + 2] = messageId;
    table[row + 3] = sender;
    table[row + 4] = proofs.indexOf(meta.senderProof) | (meta.replyTo === undefined ? 0 : callFlag);
    if (meta.compression !== undefined) {
      const length = textLength(compressionOf(meta.compression));
      table[row + 4] = (table[row + 4] ?? 0) | (length << compressionShift);
      total += length - 1;
    }
    row += words;
    total += carried + Math.max(0, messageId - 1) + Math.max(0, sender - 1);
    if (isLarge) total += digestLength;
  }
  const bytes = Buffer.from(new ArrayBuffer(total));
  bytes.set(new Uint8Array(table.buffer), 0);
  let at = table.byteLength;
  row = 0;
  for (const { body, meta } of deliveries) {
    const carried = table[row] ?? 0;
    row += words;
    if (carried > body.length) writeEvent(bytes, at, meta, body);
    else bytes.set(carried === body.length ? body : body.subarray(0, carried), at);
    at += carried;
    if (body.length > maxBody) {
      bytes.set(createHash('sha256').update(body).digest(), at);
      at += digestLength;
    }
    if (meta.messageId !== undefined) at += bytes.write(meta.messageId, at);
    if (meta.sender !== undefined) at += bytes.write(meta.sender, at);
    if (meta.compression !== undefined) at += bytes.write(compressionOf(meta.compression), at);
  }
  const batch = { transport, count: deliveries.length, buffer: bytes.buffer };
  return traceId === undefined ? batch : { ...batch, traceId };
}

/** Adds the contexts of the deliveries. They are copied, not transferred. */
export function withTraces(batch: PackedBatch, deliveries: ReadonlyArray<Delivery>): PackedBatch {
  const traces = deliveries.map(({ meta }) => meta.trace);
  return traces.every((trace) => trace === undefined) ? batch : { ...batch, traces };
}

/** Unpacks the messages of a batch. Their bodies are parts of its buffer. */
export function unpack(batch: PackedBatch): RawMessage[] {
  const messages = unpackMessages(batch);
  const { traces } = batch;
  // Nearly always.
  if (traces === undefined) return messages;
  return messages.map((message, index) => {
    const trace = traces[index];
    return trace === undefined ? message : { ...message, trace };
  });
}

function unpackMessages({ buffer, count }: PackedBatch): RawMessage[] {
  const table = new Uint32Array(buffer, 0, count * words);
  const bytes = Buffer.from(buffer);
  let at = table.byteLength;
  const skip = (length: number) => {
    at += length;
    return at - length;
  };
  const takeText = (lengthPlusOne: number) =>
    lengthPlusOne === 0 ? undefined : bytes.toString('utf8', skip(lengthPlusOne - 1), at);
  return Array.from({ length: count }, (_, index) => {
    const row = index * words;
    const carried = table[row] ?? 0;
    const size = table[row + 1] ?? 0;
    const begin = skip(carried);
    const oversize = carried < size ? { size, digest: bytes.subarray(skip(digestLength), at) } : undefined;
    const messageId = takeText(table[row + 2] ?? 0);
    const sender = takeText(table[row + 3] ?? 0);
    const flags = table[row + 4] ?? 0;
    const isCall = (flags & callFlag) !== 0;
    const compression = takeText(flags >>> compressionShift);
    const end = begin + carried;
    const senderProof = proofs[flags & proofMask];
    return { bytes, begin, end, oversize, messageId, sender, senderProof, isCall, compression };
  });
}

/** The bytes around a body that make a structured event of it; 0 if it is none in binary mode. Inflated data has no frame. */
function frameLength({ event, compression }: DeliveryMeta, body: Uint8Array): number {
  if (event === undefined || compression !== undefined) return 0;
  const { before, behind } = eventFrame(event, body.length === 0);
  return Buffer.byteLength(before) + Buffer.byteLength(behind);
}

function writeEvent(bytes: Buffer, start: number, { event = '' }: DeliveryMeta, body: Uint8Array): void {
  const { before, behind } = eventFrame(event, body.length === 0);
  const at = start + bytes.write(before, start);
  bytes.set(body, at);
  bytes.write(behind, at + body.length);
}

function compressionOf(name: string): string {
  return name.slice(0, maxCompression);
}

function textLength(text: string | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(text) + 1;
}
