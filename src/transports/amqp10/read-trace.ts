import { type TraceContext, TraceFields } from '../../core/message/trace-context.ts';
import { Cursor, map } from './read-values.ts';

const applicationProperties = 0x74;

/**
 * The context of the sender's span in the application properties; undefined if there is none, or if the message is wrongly encoded. Never
 * throws.
 *
 * @param start the offset of the message's first byte; it ends before `end`.
 */
export function readTrace(bytes: Buffer, start: number, end: number): TraceContext | undefined {
  const fields = new TraceFields();
  try {
    const cursor = new Cursor(bytes, start, end);
    while (cursor.next < end) {
      if (cursor.readSection() === applicationProperties) readFields(bytes, cursor, fields);
      cursor.next = cursor.end;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
  return fields.context;
}

function readFields(bytes: Buffer, section: Cursor, fields: TraceFields): void {
  const item = section.items(map);
  while (item.readField()) {
    const { start, end } = item;
    const isNamed = isText(item.code);
    if (!item.readField()) return;
    if (isNamed && isText(item.code)) fields.take(bytes, start, end, item.start, item.end);
  }
}

/** A string or a symbol. */
function isText(code: number): boolean {
  return code === 0xa1 || code === 0xb1 || code === 0xa3 || code === 0xb3;
}
