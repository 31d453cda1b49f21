/** Transfer frames and sections as the client library would not write them (AMQP 1.0, sections 2.3, 2.7.5 and 3.2). */

/** A section as it is encoded, with a descriptor of one byte. */
export const section = (code: number, value: Buffer) => Buffer.concat([Buffer.from([0, 0x53, code]), value]);
export const string = (text: string) => Buffer.concat([Buffer.from([0xa1, text.length]), Buffer.from(text)]);
export const nothing = Buffer.from([0x40]);
export const listOf = (...fields: Buffer[]) => {
  const bytes = Buffer.concat(fields);
  return Buffer.concat([Buffer.from([0xc0, bytes.length + 1, fields.length]), bytes]);
};
export const mapOf = (...items: Buffer[]) => {
  const map = listOf(...items);
  map[0] = 0xc1;
  return map;
};

export interface Transfer {
  readonly id?: number;
  readonly payload?: Buffer;
  readonly more?: boolean;
  readonly aborted?: boolean;
}

/** On the first channel and the first link. */
export function transfer({ id, payload = Buffer.alloc(0), more = false, aborted = false }: Transfer): Buffer {
  const fields = Buffer.concat([
    uint(0),
    id === undefined ? nothing : uint(id),
    id === undefined ? nothing : Buffer.from([0xa0, 1, 0x74]),
    uint(0),
    Buffer.from([0x42, more ? 0x41 : 0x42, 0x40, 0x40, 0x42, aborted ? 0x41 : 0x42]),
  ]);
  const performative = Buffer.concat([Buffer.from([0, 0x53, 0x14, 0xc0, fields.length + 1, 10]), fields]);
  const head = Buffer.from([0, 0, 0, 0, 2, 0, 0, 0]);
  head.writeUInt32BE(head.length + performative.length + payload.length);
  return Buffer.concat([head, performative, payload]);
}

function uint(value: number): Buffer {
  const bytes = Buffer.alloc(5, 0x70);
  bytes.writeUInt32BE(value, 1);
  return bytes;
}
