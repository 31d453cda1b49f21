import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { parser } from 'mqtt-packet';
import rhea from 'rhea';
import { Rejected } from '../../src/core/errors.ts';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import { cloudevents } from '../../src/core/message/codecs/cloudevents.ts';
import { eventFrame } from '../../src/core/message/codecs/cloudevents-binary.ts';
import { wholeBody } from '../../src/core/span.ts';
import { readEvent as readAmqp } from '../../src/transports/amqp10/read-event.ts';
import { decodeMessage } from '../../src/transports/amqp10/read-message.ts';
import { MessageProperties } from '../../src/transports/mqtt/read-properties.ts';
import { readEvent as readNats } from '../../src/transports/nats/read-event.ts';

/** The vectors in examples/cloudevents: our readers find in each what it says, and its bytes are what the libraries of the protocols read. */

type Pairs = ReadonlyArray<readonly [string, unknown]>;

interface Expected {
  readonly name: string;
  /** Of an accepted event. */
  readonly read?: JsonObject;
  readonly refused?: { readonly reason: string; readonly detail: string };
}

interface Structured extends Expected {
  readonly body: string;
}

interface Nats extends Expected {
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly payload: string;
  readonly frame: string;
}

interface Mqtt5 extends Expected {
  readonly contentType?: string;
  readonly userProperties: Pairs;
  readonly payload: string;
  readonly packet: string;
}

interface Amqp10 extends Expected {
  readonly contentType?: string;
  readonly applicationProperties: JsonObject;
  readonly data: string;
  readonly bytes: string;
}

function vectorsIn<Vector extends Expected>(name: string): Vector[] {
  const file = new URL(`../../examples/cloudevents/${name}.json`, import.meta.url);
  const vectors: Vector[] = JSON.parse(readFileSync(file, 'utf8'));
  return vectors;
}

/** What the codec finds in an event in structured mode, in the words of the vectors. */
function found(text: string): unknown {
  try {
    const { method, args, messageId, version, context, call, subject } = cloudevents.decode(
      wholeBody(Buffer.from(text)),
      { messageId: undefined, isCall: false },
      true,
    );
    if (!isObject(args)) throw new Error('the arguments are no object');
    const told = {
      method,
      args,
      message_id: messageId,
      instance_id: args.instance_id ?? subject?.instance_id,
      sent: args.sent ?? subject?.sent,
      version,
      context,
      reply_to: call?.replyTo,
      correlation_id: call?.id,
    };
    return JSON.parse(JSON.stringify({ read: told }));
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    // The rest is in the words of Node.
    const detail = error.message.replace(/^(.* is not JSON): .*/s, '$1');
    return { refused: { reason: error.reason, detail } };
  }
}

/** The same of an event whose attributes a transport has read; undefined: it is not in binary mode. */
function foundBeside(attributes: string | undefined, body: string): unknown {
  if (attributes === undefined) return found(body);
  const { before, behind } = eventFrame(attributes, body === '');
  return found(`${before}${body}${behind}`);
}

function agrees(t: ExecutionContext, { read, refused }: Expected, seen: unknown): void {
  t.deepEqual(seen, read === undefined ? { refused } : { read });
}

const files = {
  structured: vectorsIn<Structured>('structured'),
  nats: vectorsIn<Nats>('nats'),
  mqtt5: vectorsIn<Mqtt5>('mqtt5'),
  amqp10: vectorsIn<Amqp10>('amqp10'),
};

for (const vector of files.structured)
  test(`structured: ${vector.name}`, (t) => agrees(t, vector, found(vector.body)));

for (const vector of files.nats)
  test(`NATS: ${vector.name}`, (t) => {
    const { headers, payload, frame } = vector;
    const bytes = Buffer.from(frame);
    const lineEnd = bytes.indexOf('\r\n') + 2;
    const [, head = '', all = ''] = /^HPUB \S+ \S+ (\d+) (\d+)\r\n/.exec(frame) ?? [];
    const block = bytes.subarray(lineEnd, lineEnd + Number(head));
    t.is(
      block.toString(),
      `NATS/1.0\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
    t.is(bytes.subarray(lineEnd + Number(head)).toString(), `${payload}\r\n`);
    t.is(lineEnd + Number(all) + 2, bytes.length);
    agrees(t, vector, foundBeside(readNats(block), payload));
  });

/** The bytes behind the fixed header, the topic and the packet id of a PUBLISH. */
function propertiesOf(packet: Buffer): Buffer {
  const topicAt = packet.findIndex((byte, index) => index > 0 && byte < 0x80) + 1;
  return packet.subarray(topicAt + 2 + packet.readUInt16BE(topicAt) + 2);
}

for (const vector of files.mqtt5)
  test(`MQTT 5: ${vector.name}`, (t) => {
    const packet = Buffer.from(vector.packet, 'hex');
    const packets: unknown[] = [];
    parser({ protocolVersion: 5 })
      .on('packet', (one) => packets.push(one))
      .parse(packet);
    const [parsed] = packets;
    t.like(parsed, { cmd: 'publish', topic: 'conductor/i1', qos: 1, payload: Buffer.from(vector.payload) });
    const { properties: seen }: { properties?: { contentType?: string; userProperties?: object } } =
      Object(parsed);
    t.is(seen?.contentType, vector.contentType);
    const pairs = Object.entries(seen?.userProperties ?? {}).flatMap(([name, value]) =>
      [value].flat().map((one) => [name, one]),
    );
    t.deepEqual(pairs.map(String).sort(), vector.userProperties.map(String).sort());
    const properties = new MessageProperties(true);
    const bytes = propertiesOf(packet);
    properties.clear();
    properties.read(bytes, 0, bytes.length);
    agrees(t, vector, foundBeside(properties.event, vector.payload));
  });

for (const vector of files.amqp10)
  test(`AMQP 1.0: ${vector.name}`, (t) => {
    const bytes = Buffer.from(vector.bytes, 'hex');
    const { content_type: type, application_properties: seen = {} } = rhea.message.decode(bytes);
    t.is(type, vector.contentType);
    t.deepEqual(Object.keys(seen), Object.keys(vector.applicationProperties));
    for (const [name, value] of Object.entries(vector.applicationProperties)) {
      const { type: kind, value: text } = Object(value);
      const wanted = kind === undefined ? value : kind === 'timestamp' ? new Date(text) : text;
      t.deepEqual(seen[name], wanted, name);
    }
    t.is(Buffer.from(decodeMessage(bytes).body).toString(), vector.data);
    agrees(t, vector, foundBeside(readAmqp(bytes, 0, bytes.length), vector.data));
  });

test('the vectors have accepted and refused events for each protocol', (t) => {
  for (const vectors of Object.values(files))
    for (const kind of ['read', 'refused'] as const)
      t.true(vectors.filter((one) => one[kind] !== undefined).length >= 6);
});
