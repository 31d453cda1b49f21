import { type TraceContext, TraceFields } from '../../core/message/trace-context.ts';
import type { DeliveryMeta } from '../../core/transport/contract.ts';
import type { Amqp091Options } from './options.ts';
import { beforeFlags, FrameReader } from './read-frames.ts';
import { MetaReader } from './read-meta.ts';
import { endOfLong, endOfValue, longString, type Message } from './read-properties.ts';

/** The readers for the messages of one session. */
interface Readers {
  readonly metas: MetaReader;
  readonly Reader: typeof FrameReader;
}

/** Without `readsTrace` the readers do no work for traces at all. */
export function readersOf(mode: Amqp091Options['auth']['mode'], readsTrace: boolean | undefined): Readers {
  if (readsTrace !== true) return { metas: new MetaReader(mode), Reader: FrameReader };
  const last = new LastTrace();
  class TracedFrameReader extends FrameReader {
    protected override readHeader(start: number, end: number): void {
      last.read(this.bytes, start + beforeFlags, end);
      super.readHeader(start, end);
    }
  }
  return { metas: new TracedMetaReader(mode, last), Reader: TracedFrameReader };
}

/** The context of the message that was read last. */
class LastTrace {
  context: TraceContext | undefined;
  private readonly fields = new TraceFields();

  read(bytes: Buffer, start: number, end: number): void {
    this.context = readTrace(bytes, start, end, this.fields);
  }
}

class TracedMetaReader extends MetaReader {
  private readonly last: LastTrace;

  constructor(mode: Amqp091Options['auth']['mode'], last: LastTrace) {
    super(mode);
    this.last = last;
  }

  override of(message: Message): DeliveryMeta {
    const meta = super.of(message);
    const { context: trace } = this.last;
    return trace === undefined ? meta : { ...meta, trace };
  }
}

/** The flags of the properties that may stand before the headers, and that of the headers. */
const [contentType, contentEncoding, headers] = [1 << 15, 1 << 14, 1 << 13];

/** This bit says that another word of flags follows. */
const continued = 1;

/**
 * The context in the headers of a message; undefined if there is none. It reads the same bytes as `readProperties`, up to the first byte
 * that is broken. Never throws.
 *
 * @param start the offset of the property flags.
 */
export function readTrace(
  bytes: Buffer,
  start: number,
  end: number,
  fields: TraceFields,
): TraceContext | undefined {
  if (start + 2 > end) return undefined;
  const flags = bytes.readUInt16BE(start);
  if ((flags & headers) === 0) return undefined;
  let at = start + 2;
  for (let last = flags; (last & continued) !== 0; at += 2) {
    if (at + 2 > end) return undefined;
    last = bytes.readUInt16BE(at);
  }
  for (const flag of [contentType, contentEncoding]) {
    if ((flags & flag) === 0) continue;
    if (at >= end) return undefined;
    at += 1 + bytes.readUInt8(at);
  }
  const tableEnd = endOfLong(bytes, at, end);
  if (tableEnd > end) return undefined;
  fields.clear();
  readTable(bytes, at + 4, tableEnd, fields);
  return fields.context;
}

/** Only names and lengths of other headers are read. */
function readTable(bytes: Buffer, start: number, end: number, fields: TraceFields): void {
  let at = start;
  while (at < end) {
    const nameEnd = at + 1 + bytes.readUInt8(at);
    if (nameEnd >= end) return;
    const type = bytes.readUInt8(nameEnd);
    const next = endOfValue(bytes, type, nameEnd + 1, end);
    if (next > end) return;
    if (type === longString) fields.take(bytes, at + 1, nameEnd, nameEnd + 5, next);
    at = next;
  }
}
