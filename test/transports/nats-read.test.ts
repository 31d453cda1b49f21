import test from 'ava';
import fc from 'fast-check';
import { type Incoming, Reader } from '../../src/transports/nats/read.ts';

/** What is ours, and what is not. */
const [ours, other] = [7, 12];

interface Message {
  readonly id: number;
  readonly subject: Buffer;
  readonly reply: Buffer;
  readonly block: Buffer;
  readonly body: Buffer;
}

/** Whatever a sender may put into a line: a server splits at spaces, tabs and line ends. */
const word = (least: number) =>
  fc
    .uint8Array({ minLength: least, maxLength: 40 })
    .map((bytes) => Buffer.from(bytes.map((byte) => ([9, 10, 13, 32].includes(byte) ? 46 : byte))));
const bytes = fc.uint8Array({ maxLength: 200 }).map((some) => Buffer.from(some));
const message: fc.Arbitrary<Message> = fc.record({
  id: fc.constantFrom(ours, other),
  subject: word(1),
  reply: word(0),
  block: fc.oneof(fc.constant(Buffer.alloc(0)), bytes),
  body: fc.oneof(bytes, fc.constant(Buffer.from('\r\nMSG a 7 3\r\nxyz\r\nPING\r\n'))),
});
const line = fc.constantFrom(
  'PING\r\n',
  'PONG\r\n',
  '+OK\r\n',
  "-ERR 'MSG a 7 1'\r\n",
  'INFO {"a":"HMSG"}\r\n',
);

/** As a server writes it. */
function written({ id, subject, reply, block, body }: Message): Buffer {
  const hasBlock = block.length > 0;
  const words = [
    Buffer.from(hasBlock ? 'HMSG' : 'MSG'),
    subject,
    Buffer.from(String(id)),
    ...(reply.length > 0 ? [reply] : []),
    ...(hasBlock ? [Buffer.from(String(block.length))] : []),
    Buffer.from(String(block.length + body.length)),
  ];
  const spaced = words.flatMap((each, index) => (index === 0 ? [each] : [Buffer.from(' '), each]));
  return Buffer.concat([...spaced, Buffer.from('\r\n'), block, body, Buffer.from('\r\n')]);
}

function copied({ bytes, ...at }: Incoming): Message {
  const part = (from: number, end: number) => Buffer.from(bytes.subarray(from, end));
  return {
    id: ours,
    subject: part(at.subjectAt, at.subjectEnd),
    reply: part(at.replyAt, at.replyEnd),
    block: part(at.blockAt, at.bodyAt),
    body: part(at.bodyAt, at.end),
  };
}

test('our reader takes our messages and passes on the rest byte for byte, for any chunks', (t) => {
  const all = fc.array(fc.oneof({ weight: 3, arbitrary: message }, line), { maxLength: 20 });
  const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 });
  fc.assert(
    fc.property(all, sizes, (operations, chunks) => {
      const taken: Message[] = [];
      const passed: Uint8Array[] = [];
      const reader = new Reader((part) => passed.push(Buffer.from(part)));
      reader.claim(ours, (one) => taken.push(copied(one)));
      const isOurs = (one: Message | string): one is Message => typeof one === 'object' && one.id === ours;
      const toBytes = (one: Message | string) => (typeof one === 'string' ? Buffer.from(one) : written(one));
      const stream = Buffer.concat(operations.map(toBytes));
      let [at, turn] = [0, 0];
      while (at < stream.length) {
        const size = chunks[turn % chunks.length] ?? 1;
        // A chunk of its own, as a socket gives it.
        reader.read(Buffer.from(stream.subarray(at, at + size)));
        at += size;
        turn += 1;
      }
      t.deepEqual(taken, operations.filter(isOurs));
      t.deepEqual(
        Buffer.concat(passed),
        Buffer.concat(operations.filter((one) => !isOurs(one)).map(toBytes)),
      );
    }),
    { numRuns: 3000 },
  );
});

test('messages of a removed subscription are passed on, except one that has begun', (t) => {
  const bodies: string[] = [];
  const passed: string[] = [];
  const reader = new Reader((part) => passed.push(Buffer.from(part).toString()));
  reader.claim(ours, ({ bytes, bodyAt, end }) => bodies.push(bytes.toString('latin1', bodyAt, end)));
  reader.read(Buffer.from('MSG a 7 3\r\none\r\nMSG a 7 3\r\ntw'));
  reader.disclaim(ours);
  reader.read(Buffer.from('o\r\nMSG a 7 5\r\nthree\r\n'));
  t.deepEqual(bodies, ['one']);
  t.deepEqual(passed, ['MSG a 7 5\r\nthree\r\n']);
});

test('bytes that no server writes end the reading with an error at once', (t) => {
  const lines = [
    'MSG a 7\r\n',
    'MSG a 7 b c 3\r\n',
    'MSG a 7 x\r\n',
    'MSG a 7 -1\r\n',
    'MSG a seven 1\r\n',
    'MSG a 7 9999999999\r\n',
    'MSG a 7 \r\n',
    'MSG  a 7 1\r\n',
    'HMSG a 7 3\r\n',
    'HMSG a 7 5 3\r\n',
    'HMSG a 7 b c 3 5\r\n',
    `INFO ${' '.repeat(2 ** 20)}`,
  ];
  for (const line of lines) {
    const reader = new Reader(() => {});
    t.throws(() => reader.read(Buffer.from(line)), { instanceOf: Error }, line.slice(0, 30));
  }
});
