import { Undeliverable } from '../../core/errors.ts';

/**
 * Message and correlation ids as texts. On the wire they are a string, a number, a UUID or bytes (AMQP 1.0, sections 3.2.11 to
 * 3.2.14). The texts are those of the AMQP binding of JMS (amqp-bindmap-jms, section 3.2.1.1). They keep the type, so a caller gets
 * its correlation id back unchanged.
 */

const marks = {
  string: 'ID:AMQP_STRING:',
  ulong: 'ID:AMQP_ULONG:',
  uuid: 'ID:AMQP_UUID:',
  binary: 'ID:AMQP_BINARY:',
} as const;

/** Reads the id whose type code is at `start`; undefined if it has none of the four types. */
export function readId(data: Buffer, code: number, start: number, end: number): string | undefined {
  switch (code) {
    case 0xa1:
    case 0xb1: {
      const text = data.toString('utf8', start, end);
      return text.startsWith('ID:AMQP_') ? marks.string + text : text;
    }
    case 0x44:
      return `${marks.ulong}0`;
    case 0x53:
      return marks.ulong + data.readUInt8(start);
    case 0x80:
      return marks.ulong + data.readBigUInt64BE(start);
    case 0x98:
      return marks.uuid + uuidText(data.toString('hex', start, end));
    case 0xa0:
    case 0xb0:
      return marks.binary + data.toString('hex', start, end).toUpperCase();
    default:
      return undefined;
  }
}

function uuidText(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** An id to be encoded: its type and its bytes. */
export interface TypedId {
  readonly type: keyof typeof marks;
  readonly bytes: Buffer;
}

/** Turns the text of an id back into the id. Throws Undeliverable for a text that claims a type and does not fit it. */
export function typedId(text: string): TypedId {
  if (text.startsWith(marks.string)) return string(text.slice(marks.string.length));
  if (text.startsWith(marks.ulong)) {
    const digits = text.slice(marks.ulong.length);
    if (!/^\d{1,20}$/.test(digits) || BigInt(digits) >= 2n ** 64n) throw malformed(text);
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(digits));
    return { type: 'ulong', bytes };
  }
  if (text.startsWith(marks.uuid)) {
    const hex = text.slice(marks.uuid.length).replaceAll('-', '');
    if (!/^[0-9a-f]{32}$/i.test(hex)) throw malformed(text);
    return { type: 'uuid', bytes: Buffer.from(hex, 'hex') };
  }
  if (text.startsWith(marks.binary)) {
    const hex = text.slice(marks.binary.length);
    if (!/^([0-9a-f]{2})*$/i.test(hex)) throw malformed(text);
    return { type: 'binary', bytes: Buffer.from(hex, 'hex') };
  }
  return string(text);
}

const string = (text: string): TypedId => ({ type: 'string', bytes: Buffer.from(text) });

function malformed(text: string): Undeliverable {
  return new Undeliverable(`the id ${JSON.stringify(text.slice(0, 64))} is not of the type that it names`);
}
