import { Cursor, list } from './read-values.ts';

/** The fields of a transfer frame that we use (AMQP 1.0, section 2.7.5). */
export interface Transfer {
  handle: number;
  /** The delivery's number. Undefined if it is left out, as in all but the first frame of a delivery. */
  id: number | undefined;
  /** Which of `settled`, `more` and `aborted` are set. */
  flags: number;
  /** The offset of the message's first byte. */
  payload: number;
}

export const settled = 1;
export const more = 2;
export const aborted = 4;

const code = 0x14;
const longDescriptor = 0x80;
const shortDescriptor = 0x53;

/** Whether the performative of a frame that begins at `start` is a transfer. */
export function isTransfer(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 4 || bytes[start] !== 0) return false;
  if (bytes[start + 1] === shortDescriptor) return bytes[start + 2] === code;
  return bytes[start + 1] === longDescriptor && end - start >= 11 && bytes.readBigUInt64BE(start + 2) === 20n;
}

/**
 * Reads the performative of a transfer frame, field by field. Tag, format and other unused fields are skipped by their size. Throws
 * RangeError if the encoding exceeds the frame. The broker writes these fields, so no sender can cause it.
 */
export function readTransfer(bytes: Buffer, start: number, end: number, transfer: Transfer): void {
  const cursor = new Cursor(bytes, start + (bytes[start + 1] === shortDescriptor ? 3 : 10), end, 1);
  cursor.readField();
  transfer.payload = cursor.end;
  transfer.id = undefined;
  transfer.flags = 0;
  const fields = cursor.items(list);
  if (!fields.readField()) throw new RangeError('a transfer without a handle');
  transfer.handle = fields.uint() ?? 0;
  for (let index = 1; index < 10 && fields.readField(); index += 1) {
    if (index === 1) transfer.id = fields.uint();
    else if (index === 4 && fields.isTrue()) transfer.flags |= settled;
    else if (index === 5 && fields.isTrue()) transfer.flags |= more;
    else if (index === 9 && fields.isTrue()) transfer.flags |= aborted;
  }
}
