import { gzipSync } from 'node:zlib';
import { generate } from 'mqtt-packet';
import { parseConfig } from '../../src/core/config/load.ts';
import { Rejected } from '../../src/core/errors.ts';
import { inflate } from '../../src/core/message/codecs/inflate.ts';
import { CALL } from '../../src/core/message/outcome.ts';
import { readSigned } from '../../src/core/message/signature.ts';
import { TraceFields } from '../../src/core/message/trace-context.ts';
import { wholeBody } from '../../src/core/span.ts';
import { decodeMessage } from '../../src/transports/amqp10/read-message.ts';
import { readTrace as readAmqp10 } from '../../src/transports/amqp10/read-trace.ts';
import { Message, readProperties } from '../../src/transports/amqp091/read-properties.ts';
import { readTrace as readAmqp091 } from '../../src/transports/amqp091/read-trace.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { PacketReader } from '../../src/transports/mqtt/read.ts';
import { createPublishReader } from '../../src/transports/mqtt/read-trace.ts';
import { readHeaders, readStatus } from '../../src/transports/nats/read-headers.ts';
import { readTrace as readNats } from '../../src/transports/nats/read-trace.ts';
import { isTask } from '../../src/workers/batch/item.ts';
import { decode } from '../../src/workers/batch/read.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import { workerSettingsOf } from '../../src/workers/settings.ts';
import { corpus } from '../workers/mutated-messages.ts';

/** The readers of bodies and of properties, each with valid messages. */

/** Bytes: the default of `maxBody`. */
export const maxBody = 262_144;
/** A reader under test. */
export interface Target {
  readonly name: string;
  readonly seeds: ReadonlyArray<Buffer>;
  /** Reads a message. Throws after a fault. */
  readonly read: (bytes: Buffer) => void;
}

const config = parseConfig(
  `database: { url: 'postgresql://conductor@127.0.0.1/x' }
transports:
  native: { kind: mqtt, url: 'mqtt://127.0.0.1' }
  oslo: { kind: amqp091, url: 'amqp://127.0.0.1', codec: oslo }
  event: { kind: nats, url: 'nats://127.0.0.1', codec: cloudevents }`,
  'fuzz',
  {},
  transportKinds,
);
const settings = workerSettingsOf(config);
const manager = createManager();

function decodeAs(transport: string): (bytes: Buffer) => void {
  return (bytes) => {
    const raw = {
      ...wholeBody(bytes),
      oversize: undefined,
      messageId: undefined,
      sender: undefined,
      senderProof: undefined,
      isCall: false,
    };
    const item = decode(raw, 0, transport, manager, settings);
    if (item === CALL || isTask(item.task)) return;
    if (item.task.kind === 'dead' && item.task.reason === 'crash') throw new Error(item.task.detail);
  };
}

/** A refusal is what a reader is to make of a bad message. */
function refusing(read: (bytes: Buffer) => unknown): (bytes: Buffer) => void {
  return (bytes) => {
    try {
      read(bytes);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
    }
  };
}

const messages = corpus('i-1');
const native = messages.map((message) => Buffer.from(message));
const deep = [Buffer.from('['.repeat(maxBody)), Buffer.from('{"a":'.repeat(maxBody / 5))];
const oslo = messages.map((message) =>
  Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': message })),
);
const events = messages.map((message) => {
  const { method, args } = JSON.parse(message);
  return Buffer.from(
    JSON.stringify({ specversion: '1.0', id: 'm', source: '/g/i-1', type: method, data: args }),
  );
});
const signed = native.map((body) =>
  Buffer.concat([Buffer.from(`hmac-sha256 ${'0'.repeat(64)}\n["1","k1","i-1","1","m1"]\n`), body]),
);
const zipped = native.map((body) => gzipSync(body));

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const fields = new TraceFields();

const mqttPackets = native.map((payload, index) =>
  generate(
    {
      cmd: 'publish',
      topic: 'conductor/i-1',
      payload,
      qos: 1,
      messageId: index + 1,
      dup: false,
      retain: false,
      properties: {
        responseTopic: 'r',
        correlationData: Buffer.from('c'),
        messageExpiryInterval: 9,
        userProperties: { 'message-id': 'm', a: ['b', 'c'], traceparent, tracestate: 'a=1' },
      },
    },
    { protocolVersion: 5 },
  ),
);
const natsBlocks = [
  'NATS/1.0\r\nNats-Msg-Id: m\r\nConductor-Reply-To: r\r\nConductor-Deadline: 1795798397668\r\nce-id: x\r\n\r\n',
  `NATS/1.0\r\nTraceparent: ${traceparent}\r\ntracestate:a=1\r\n\r\n`,
  'NATS/1.0 404 No Messages\r\nNats-Pending-Messages: 3\r\n\r\n',
].map((text) => Buffer.from(text));
const amqpProperties = [
  Buffer.from([
    0xff, 0xfc, 4, 0x6a, 0x73, 0x6f, 0x6e, 0, 0, 0, 0, 8, 1, 0x61, 0x46, 0, 0, 0, 1, 0x62, 1, 2, 1, 0x63, 1,
    0x72, 1, 0x39, 1, 0x6d,
  ]),
  Buffer.from([
    0x20,
    0,
    0,
    0,
    0,
    18,
    11,
    ...Buffer.from('compression'),
    0x53,
    0,
    0,
    0,
    4,
    ...Buffer.from('gzip'),
  ]),
  Buffer.from([
    0x20,
    0,
    0,
    0,
    0,
    72,
    11,
    ...Buffer.from('traceparent'),
    0x53,
    0,
    0,
    0,
    55,
    ...Buffer.from(traceparent),
  ]),
];
const amqp10Messages = native.map((body) =>
  Buffer.concat([
    Buffer.from([0, 0x53, 0x70, 0xc0, 3, 2, 0x41, 0x50, 9]),
    Buffer.from([0, 0x53, 0x73, 0xc0, 11, 4, 0xa1, 1, 0x6d, 0xa0, 1, 0x75, 0x40, 0xa1, 1, 0x73]),
    Buffer.from([0, 0x53, 0x74, 0xc1, 7, 2, 0xa1, 1, 0x61, 0xa1, 1, 0x62]),
    Buffer.from([
      0,
      0x53,
      0x74,
      0xc1,
      71,
      2,
      0xa1,
      11,
      ...Buffer.from('traceparent'),
      0xa1,
      55,
      ...Buffer.from(traceparent),
    ]),
    Buffer.from([0, 0x53, 0x75, 0xb0, 0, 0, body.length >> 8, body.length & 255]),
    body,
  ]),
);

function readPackets(bytes: Buffer): void {
  const reader = new PacketReader(
    { receive: () => {}, pass: () => {} },
    createPublishReader({ hasProperties: true, bySubject: true, readsEvents: true, readsTrace: true }),
  );
  try {
    reader.feed(bytes);
  } catch (error) {
    // Bytes that are no packets end the connection, with this error.
    if (!(error instanceof Error) || error.name !== 'NotConnected') throw error;
  }
}

export const targets: Readonly<Record<string, ReadonlyArray<Target>>> = {
  bodies: [
    { name: 'native', seeds: [...native, ...deep], read: decodeAs('native') },
    { name: 'oslo', seeds: [...oslo, ...deep], read: decodeAs('oslo') },
    { name: 'cloudevents', seeds: [...events, ...deep], read: decodeAs('event') },
    { name: 'signed', seeds: signed, read: refusing((bytes) => readSigned(wholeBody(bytes))) },
    { name: 'gzip', seeds: zipped, read: refusing((bytes) => inflate(bytes, 'gzip', maxBody)) },
    {
      name: 'bzip2',
      seeds: [Buffer.from('QlpoOTFBWSZTWQ==', 'base64'), ...zipped],
      read: refusing((bytes) => inflate(bytes, 'bzip2', maxBody)),
    },
  ],
  properties: [
    { name: 'MQTT', seeds: mqttPackets, read: readPackets },
    {
      name: 'NATS',
      seeds: natsBlocks,
      read: (bytes) => void [readHeaders(bytes), readStatus(bytes), readNats(bytes, 0, bytes.length, fields)],
    },
    {
      name: 'AMQP 1.0',
      seeds: amqp10Messages,
      read: (bytes) => void [decodeMessage(bytes), readAmqp10(bytes, 0, bytes.length)],
    },
    {
      name: 'AMQP 0-9-1',
      seeds: amqpProperties,
      read: (bytes) => {
        readProperties(new Message(), bytes, 0, bytes.length);
        readAmqp091(bytes, 0, bytes.length, fields);
      },
    },
  ],
};
