import { once } from 'node:events';
import { connect } from 'node:net';

type Version = '5' | '3.1.1';

/** With its length in two bytes (MQTT 5, section 1.5.4). */
function text(bytes: Buffer | string): Buffer {
  const content = Buffer.from(bytes);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length);
  return Buffer.concat([length, content]);
}

/** A Variable Byte Integer (MQTT 5, section 1.5.5). */
function variable(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}

function packet(head: number, ...parts: ReadonlyArray<Buffer>): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(head), variable(content.length), content]);
}

const property = (id: number, value: Buffer) => Buffer.concat([Buffer.of(id), value]);
const user = (name: Buffer | string, value: Buffer | string) =>
  property(0x26, Buffer.concat([text(name), text(value)]));
const invalidUtf8 = Buffer.from([0xff, 0xfe, 0xc0, 0x80]);
const controls = 'a\r\n\0b';
const longest = 'x'.repeat(65_535);

/** Properties of MQTT 5 (section 3.3.2.3), of which the broker takes some. */
const properties: Readonly<Record<string, Buffer>> = {
  'a payload format that there is none of': property(0x01, Buffer.of(2)),
  'a payload that is said to be text and is not': property(0x01, Buffer.of(1)),
  'the longest expiry interval': property(0x02, Buffer.alloc(4, 0xff)),
  'a topic alias of 0': property(0x23, Buffer.of(0, 0)),
  'a topic alias that is too high': property(0x23, Buffer.of(255, 255)),
  'an empty response topic': property(0x08, text('')),
  'a response topic that is a filter': property(0x08, text('a/+/#')),
  'a response topic with controls': property(0x08, text(controls)),
  'a response topic that is not UTF-8': property(0x08, text(invalidUtf8)),
  'the longest response topic': property(0x08, text(longest)),
  'two response topics': Buffer.concat([property(0x08, text('a')), property(0x08, text('b'))]),
  'empty correlation data': property(0x09, text('')),
  'correlation data of every byte': property(
    0x09,
    text(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
  ),
  'the longest correlation data': property(0x09, text(longest)),
  'a content type that is not UTF-8': property(0x03, text(invalidUtf8)),
  "a subscription identifier, which is the broker's to send": property(0x0b, Buffer.of(1)),
  'a property that there is none of': property(0x7f, Buffer.of(1)),
  'properties that end too early': property(0x26, text('name only')),
  'a user property without a name': user('', 'x'),
  'a user property with controls': user(controls, controls),
  'a user property that is not UTF-8': user(invalidUtf8, invalidUtf8),
  'a user property of no characters': user('\ufffe', '\ufdd0'),
  'the longest user property': user(longest, longest),
  'a message id that is long': user('message-id', longest),
  'a message id that is empty': user('message-id', ''),
  '200 message ids': Buffer.concat(
    Array.from({ length: 200 }, (_, number) => user('message-id', `${number}`)),
  ),
  '10,000 user properties': Buffer.concat(Array.from({ length: 10_000 }, () => user('', ''))),
  '__proto__ as a name': user('__proto__', 'x'),
};

/** What the sender's level of the topic may be, in either version. */
const senders: Readonly<Record<string, Buffer | string>> = {
  'an empty sender': '',
  'a sender with controls': controls,
  'a sender with a carriage return': 'a\rb',
  'a sender that is not UTF-8': invalidUtf8,
  'a sender with a wildcard': 'a+',
  'a sender of no character': '\ufffe',
  'a sender with a byte order mark': '\ufeffa',
  'a sender with half a character': Buffer.from([0xed, 0xa0, 0x80]),
  'a sender that is long': 'x'.repeat(60_000),
};

/**
 * @param folder the topic's levels before the sender's.
 * @returns packets that no client library writes, each on a connection of its own.
 */
export function hostileMessages(
  port: number,
  version: Version,
  folder: string,
): Record<string, () => Promise<boolean>> {
  const publish = (sender: Buffer | string, given: Buffer = Buffer.alloc(0), body = 'hostile') => {
    const topic = text(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(sender)]));
    const list = version === '5' ? Buffer.concat([variable(given.length), given]) : Buffer.alloc(0);
    // At QoS 1, as packet 1.
    return packet(0x32, topic, Buffer.of(0, 1), list, Buffer.from(body));
  };
  const all = Object.entries(senders).map(([what, sender]) => [what, publish(sender)] as const);
  if (version === '5') {
    for (const [what, given] of Object.entries(properties))
      all.push([what, publish('guest', given, what.includes('and is not') ? '\ud800\0' : 'hostile')]);
  }
  return Object.fromEntries(all.map(([what, bytes]) => [what, () => send(port, version, bytes)] as const));
}

/** Resolves with whether the broker has acknowledged it; false if it ends the connection or gives a reason not to. */
async function send(port: number, version: Version, publication: Buffer): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.on('error', () => {});
    const closed = once(socket, 'close').then(() => undefined);
    const level = version === '5' ? 5 : 4;
    // A clean start and no keepalive (MQTT 5, section 3.1.2).
    const start = Buffer.concat([
      text('MQTT'),
      Buffer.of(level, 2, 0, 0),
      Buffer.alloc(version === '5' ? 1 : 0),
    ]);
    socket.write(packet(0x10, start, text('')));
    let received = Buffer.alloc(0);
    const puback = new Promise<boolean>((resolve) => {
      socket.on('data', (bytes) => {
        received = Buffer.concat([received, bytes]);
        // Both answers are shorter than 128 bytes: their length has one byte.
        const next = 2 + (received[1] ?? 0);
        if (received.length < next + 4 || received[next] !== 0x40) return;
        const reason = (received[next + 1] ?? 0) > 2 ? (received[next + 4] ?? 0) : 0;
        resolve(reason < 0x80);
      });
    });
    socket.write(publication);
    return (await Promise.race([puback, closed])) ?? false;
  } finally {
    socket.destroy();
  }
}
