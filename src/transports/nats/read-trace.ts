import { type TraceContext, TraceFields } from '../../core/message/trace-context.ts';
import type { DeliveryMeta } from '../../core/transport/contract.ts';
import type { NatsOptions } from './options.ts';
import type { Incoming } from './read.ts';
import { MetaReader } from './read-headers.ts';

const [colon, carriageReturn, lineFeed] = [0x3a, 0x0d, 0x0a];

/** The most bytes of a header block that are read. */
const mostBytes = 65_536;

/** A reader for the messages of one session. Without `readsTrace` it does no work for traces at all. */
export function createMetaReader(
  options: Pick<NatsOptions, 'auth' | 'codec'>,
  readsTrace: boolean | undefined,
): MetaReader {
  return readsTrace === true ? new TracedMetaReader(options) : new MetaReader(options);
}

/** Reads the context of the sender's span too. */
class TracedMetaReader extends MetaReader {
  private readonly fields = new TraceFields();

  override read(message: Incoming, redelivered: boolean, answerTo?: string): DeliveryMeta {
    const meta = super.read(message, redelivered, answerTo);
    const { bytes, blockAt, bodyAt } = message;
    const trace = readTrace(bytes, blockAt, bodyAt, this.fields);
    return trace === undefined ? meta : { ...meta, trace };
  }
}

/** The context in the lines of a header block, `name: value` and CR LF; undefined if there is none. Never throws. */
export function readTrace(
  bytes: Buffer,
  start: number,
  end: number,
  fields: TraceFields,
): TraceContext | undefined {
  fields.clear();
  const last = Math.min(end, start + mostBytes);
  let line = start;
  let separator = -1;
  for (let at = start; at < last; at += 1) {
    const byte = bytes[at];
    if (byte === colon && separator === -1) separator = at;
    if (byte !== lineFeed || bytes[at - 1] !== carriageReturn) continue;
    if (separator !== -1) fields.take(bytes, line, separator, separator + 1, at - 1);
    line = at + 1;
    separator = -1;
  }
  return fields.context;
}
