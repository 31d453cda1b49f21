import { openPublisher, type PeerOptions } from '../../support/amqp10.ts';
import { Hostile } from '../../transports/amqp10-hostile.ts';

/** Messages of arbitrary properties, of all types that RabbitMQ 3.10 knows. */
const arbitrary = 60;

const described = (code: number, value: Buffer) => Buffer.concat([Buffer.from([0, 0x53, code]), value]);
const sized = (code: number, content: Buffer) => {
  const head = Buffer.alloc(5, code);
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
};
const text = (bytes: Buffer | string) => sized(0xb1, Buffer.from(bytes));
const symbol = (bytes: Buffer | string) => sized(0xb3, Buffer.from(bytes));
const many = (code: number, items: ReadonlyArray<Buffer>) => {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(items.length);
  return sized(code, Buffer.concat([count, ...items]));
};
const list = (...items: ReadonlyArray<Buffer>) => many(0xd0, items);
const map = (...items: ReadonlyArray<Buffer>) => many(0xd1, items);
const nothing = Buffer.from([0x40]);
const body = described(0x75, sized(0xb0, Buffer.from('hostile')));
const properties = (...fields: ReadonlyArray<Buffer>) =>
  Buffer.concat([described(0x73, list(...fields)), body]);
const application = (...entries: ReadonlyArray<Buffer>) =>
  Buffer.concat([described(0x74, map(...entries)), body]);

function nested(depth: number): Buffer {
  let inner = list();
  for (let count = 0; count < depth; count += 1) inner = list(inner);
  return inner;
}

const invalidUtf8 = Buffer.from([0xff, 0xfe, 0xc0, 0x80]);

/** Sections of types, depths and sizes that nobody expects, whole messages. */
export const hostileSections: Readonly<Record<string, Buffer>> = {
  'a message id of controls': properties(text('a\r\n\0b')),
  'a message id that is not UTF-8': properties(text(invalidUtf8)),
  'a message id that is long': properties(text('x'.repeat(65_000))),
  'a correlation id of bytes': properties(
    nothing,
    nothing,
    nothing,
    nothing,
    nothing,
    sized(0xb0, invalidUtf8),
  ),
  'a reply address of controls': properties(nothing, nothing, nothing, nothing, text('a\r\n\0b')),
  'an application property without a name': application(text(''), text('x')),
  'an application property whose name is not UTF-8': application(text(invalidUtf8), text('x')),
  'an application property whose value has controls': application(text('odd'), text('a\r\n\0b')),
  'an application property that is long': application(text('odd'), text('x'.repeat(200_000))),
  '5,000 application properties': application(
    ...Array.from({ length: 5000 }, (_, number) => [text(`odd ${number}`), text('')]).flat(),
  ),
  'annotations with a symbol that is not ASCII': Buffer.concat([
    described(0x72, map(symbol(invalidUtf8), text('x'))),
    body,
  ]),
  'a body of a text that is not UTF-8': described(0x77, text(invalidUtf8)),
  '1,000 lists in each other': described(0x77, nested(1000)),
};

/** @returns messages that no client library writes, each from a connection of its own. */
export function hostileMessages(options: PeerOptions): Record<string, () => Promise<boolean>> {
  const send = (message: Buffer) => async () => {
    const publisher = await openPublisher(options);
    try {
      await publisher.send(message);
      return true;
    } catch {
      // The broker has rejected it, or ended the session or the connection over it.
      return false;
    } finally {
      await publisher.close();
    }
  };
  const all = Array.from(
    { length: arbitrary },
    (_, seed) => [`arbitrary properties ${seed}`, new Hostile(seed, true).message(Buffer.from('x'))] as const,
  );
  return Object.fromEntries(
    [...Object.entries(hostileSections), ...all].map(([what, message]) => [what, send(message)] as const),
  );
}
