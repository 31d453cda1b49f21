import { EventAttributes } from '../../core/message/codecs/cloudevents-binary.ts';
import { Cursor, list, map } from './read-values.ts';

/** The prefixes of application properties in binary mode (AMQP protocol binding for CloudEvents, section 3.1.3.1). */
const prefixes = ['cloudEvents_', 'cloudEvents:'];

/** The place of `content-type` among the properties (AMQP 1.0, section 3.2.4). */
const contentTypeAt = 6;

const properties = 0x73;
const applicationProperties = 0x74;
const timestamp = 0x83;

/** The latest time that JavaScript can write, in milliseconds since the epoch. */
const latest = 8.64e15;

/**
 * The attributes of an event in binary mode, as `EventAttributes.text` gives them; undefined if the message is none, or is wrongly
 * encoded. Never throws.
 *
 * @param start the offset of the message's first byte; it ends before `end`.
 */
export function readEvent(bytes: Buffer, start: number, end: number): string | undefined {
  const attributes = new EventAttributes();
  let sections = 0;
  try {
    const cursor = new Cursor(bytes, start, end);
    while (cursor.next < end) {
      const section = cursor.readSection();
      if (section === properties) {
        sections += 1;
        readContentType(bytes, cursor, attributes);
      } else if (section === applicationProperties) readAttributes(bytes, cursor, attributes);
      cursor.next = cursor.end;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
  // A message with two sections of properties is handed on whole.
  return sections > 1 ? undefined : attributes.text();
}

function readContentType(bytes: Buffer, section: Cursor, attributes: EventAttributes): void {
  const field = section.items(list);
  for (let index = 0; field.readField(); index += 1) {
    if (index !== contentTypeAt) continue;
    if (isText(field.code)) attributes.addContentType(bytes.toString('utf8', field.start, field.end), true);
    return;
  }
}

function readAttributes(bytes: Buffer, section: Cursor, attributes: EventAttributes): void {
  const item = section.items(map);
  while (item.readField()) {
    const name = isText(item.code) ? bytes.toString('utf8', item.start, item.end) : '';
    if (!item.readField()) return;
    const prefix = prefixes.find((one) => name.startsWith(one));
    if (prefix === undefined) continue;
    const value = textOf(bytes, item);
    if (value !== undefined) attributes.add(name.slice(prefix.length), value);
  }
}

/** The text of an attribute. A time may be a timestamp (section 2.1 of the binding). */
function textOf(bytes: Buffer, { code, start, end }: Cursor): string | undefined {
  if (isText(code)) return bytes.toString('utf8', start, end);
  if (code !== timestamp) return undefined;
  const time = Number(bytes.readBigInt64BE(start));
  return Math.abs(time) <= latest ? new Date(time).toISOString() : undefined;
}

/** A string or a symbol. */
function isText(code: number): boolean {
  return code === 0xa1 || code === 0xb1 || code === 0xa3 || code === 0xb3;
}
