import test from 'ava';
import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import rhea from 'rhea';
import { type TraceContext, TraceFields } from '../../src/core/message/trace-context.ts';
import type { DeliveryMeta } from '../../src/core/transport/contract.ts';
import { readTrace as readAmqp10 } from '../../src/transports/amqp10/read-trace.ts';
import { readTrace as readAmqp091 } from '../../src/transports/amqp091/read-trace.ts';
import { createPublishReader } from '../../src/transports/mqtt/read-trace.ts';
import { readTrace as readNats } from '../../src/transports/nats/read-trace.ts';

/** The contexts of senders' spans among the properties of messages. No bytes make a reader throw. */

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const both = { traceparent, tracestate: 'a=1,b=2' };
const fields = new TraceFields();

const mqttOptions = { hasProperties: true, bySubject: true, readsEvents: false };
const mqttReaders = {
  plain: createPublishReader({ ...mqttOptions, readsTrace: false }),
  traced: createPublishReader({ ...mqttOptions, readsTrace: true }),
};

/** The metadata of a PUBLISH packet with a length of two bytes. */
function mqttMeta(packet: Buffer, reader: keyof typeof mqttReaders): DeliveryMeta | undefined {
  let found: DeliveryMeta | undefined;
  mqttReaders[reader].read(packet, 3, packet.length, 1, 2, (_, meta) => {
    found = meta;
  });
  return found;
}

const mqttPacket = (userProperties: Record<string, string | string[]>) =>
  generate(
    {
      cmd: 'publish',
      topic: 'conductor/i1',
      payload: Buffer.alloc(200),
      qos: 1,
      messageId: 7,
      dup: false,
      retain: false,
      properties: { userProperties },
    },
    { protocolVersion: 5 },
  );

const longString = (text: string) => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([Buffer.from('S'), length, Buffer.from(text)]);
};

/** Property flags, content type and headers, as AMQP 0-9-1 writes them. */
function amqp091Properties(table: Buffer, flags = 0xa000): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(flags);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(table.length);
  return Buffer.concat([head, Buffer.from([1, 0x6a]), length, table]);
}
const named = (name: string, value: Buffer) =>
  Buffer.concat([Buffer.from([name.length]), Buffer.from(name), value]);
const amqp091Table = Buffer.concat([
  named('x', Buffer.concat([Buffer.from('F'), Buffer.from([0, 0, 0, 2, 1, 2])])),
  named('traceparent', longString(traceparent)),
  named('n', Buffer.from([0x49, 0, 0, 0, 1])),
  named('tracestate', longString(both.tracestate)),
]);

const natsBlock = Buffer.from(
  `NATS/1.0\r\nA: b\r\nTraceparent: ${traceparent}\r\nNo colon\r\ntracestate:${both.tracestate}\r\n\r\n`,
);

const amqp10Message = (properties: object): Buffer =>
  rhea.message.encode({ application_properties: { first: 1, ...properties }, body: 'x' });

const seeds: ReadonlyArray<{
  readonly label: string;
  readonly bytes: Buffer;
  readonly read: (bytes: Buffer) => TraceContext | undefined;
}> = [
  {
    label: 'AMQP 0-9-1',
    bytes: amqp091Properties(amqp091Table),
    read: (bytes) => readAmqp091(bytes, 0, bytes.length, fields),
  },
  { label: 'AMQP 1.0', bytes: amqp10Message(both), read: (bytes) => readAmqp10(bytes, 0, bytes.length) },
  { label: 'NATS', bytes: natsBlock, read: (bytes) => readNats(bytes, 0, bytes.length, fields) },
  {
    label: 'MQTT 5',
    bytes: mqttPacket({ a: ['1', '2'], ...both }),
    read: (bytes) => mqttMeta(bytes, 'traced')?.trace,
  },
];

for (const { label, bytes, read } of seeds) {
  test(`${label}: the context is read among other properties`, (t) => {
    t.deepEqual(read(bytes), both);
  });

  test(`${label}: no change of the bytes makes the reader throw`, (t) => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), byte), { maxLength: 8 }),
        fc.nat(bytes.length),
        (changes, end) => {
          const changed = Buffer.from(bytes);
          for (const [at, value] of changes) changed[at] = value;
          for (const one of [changed, changed.subarray(0, end)]) {
            try {
              const context = read(one);
              if (context !== undefined) t.regex(context.traceparent, /^[\da-f-]{55}/);
            } catch (error) {
              // The broker breaks MQTT: its topic or packet id is wrong.
              if (!(error instanceof Error) || error.name !== 'NotConnected') throw error;
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
}

test('AMQP 0-9-1: headers behind unknown flags, of other types, or cut off have no context', (t) => {
  const read = (bytes: Buffer) => readAmqp091(bytes, 0, bytes.length, fields);
  t.is(read(amqp091Properties(amqp091Table, 0x8000)), undefined, 'no headers');
  t.is(read(amqp091Properties(named('traceparent', Buffer.from([0x56])))), undefined, 'nothing');
  t.is(read(amqp091Properties(named('traceparent', Buffer.from([0xff])))), undefined, 'an unknown type');
  t.is(read(amqp091Properties(amqp091Table).subarray(0, 20)), undefined);
});

test('AMQP 1.0: a context may be symbols, and a number is none', (t) => {
  const symbol = amqp10Message({ traceparent: rhea.types.wrap_symbol(traceparent) });
  t.deepEqual(readAmqp10(symbol, 0, symbol.length), { traceparent });
  const number = amqp10Message({ traceparent: 5 });
  t.is(readAmqp10(number, 0, number.length), undefined);
});

test('MQTT 5: without tracing the reader finds the same metadata without a context', (t) => {
  const packet = mqttPacket({ 'message-id': 'm1', ...both });
  const { trace, ...rest } = mqttMeta(packet, 'traced') ?? {};
  t.deepEqual(trace, both);
  const plain = mqttMeta(packet, 'plain');
  t.deepEqual(Object(rest), plain);
  t.false(Object.hasOwn(Object(plain), 'trace'));
  t.is(
    mqttMeta(mqttPacket({ b: 'c' }), 'traced')?.trace,
    undefined,
    'the context of one message is not the next one’s',
  );
});
