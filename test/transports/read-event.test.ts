import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import rhea from 'rhea';
import { cloudevents } from '../../src/core/message/codecs/cloudevents.ts';
import { wholeBody } from '../../src/core/span.ts';
import { readEvent as readAmqp } from '../../src/transports/amqp10/read-event.ts';
import { MessageProperties } from '../../src/transports/mqtt/read-properties.ts';
import { readEvent as readNats } from '../../src/transports/nats/read-event.ts';

/** The attributes of an event among the properties of a message. No bytes make a reader throw. */

const block = (...lines: string[]) => Buffer.from(['NATS/1.0', ...lines, '', ''].join('\r\n'));

test('NATS: the names of headers have any case, and values are percent-encoded', (t) => {
  t.is(
    readNats(block('CE-SpecVersion: 1.0', 'ce-id:a%20b', 'ce-type: %zz', 'Nats-Msg-Id: x', 'ce-id: second')),
    '"specversion":"1.0","id":"a b","type":"%zz"',
  );
  t.is(readNats(block('ce-id: 1')), undefined, 'without specversion');
  t.is(readNats(block('ce-specversion: 1.0', 'Content-Type: application/cloudevents+json')), undefined);
  t.is(
    readNats(
      block('ce-specversion: 1.0', 'content-type: text/plain', 'ce-datacontenttype: application/json'),
    ),
    '"specversion":"1.0","datacontenttype":"application/json"',
  );
});

const encode = (message: object): Buffer => rhea.message.encode(message);

test('AMQP 1.0: attributes are strings, symbols or timestamps, under either prefix', (t) => {
  const bytes = encode({
    content_type: 'application/json',
    application_properties: {
      cloudEvents_specversion: '1.0',
      'cloudEvents:id': rhea.types.wrap_symbol('i'),
      cloudEvents_time: rhea.types.wrap_timestamp(0),
      cloudEvents_source: 5,
      other: 'x',
    },
    body: 'x',
  });
  t.deepEqual(JSON.parse(`{${readAmqp(bytes, 0, bytes.length)}}`), {
    specversion: '1.0',
    id: 'i',
    time: '1970-01-01T00:00:00.000Z',
    datacontenttype: 'application/json',
  });
  const structured = encode({
    content_type: 'application/cloudevents+json',
    application_properties: { cloudEvents_specversion: '1.0' },
    body: 'x',
  });
  t.is(readAmqp(structured, 0, structured.length), undefined);
});

test('AMQP 1.0: a timestamp that no date can show is left out', (t) => {
  const bytes = encode({
    application_properties: {
      cloudEvents_specversion: '1.0',
      cloudEvents_time: rhea.types.wrap_timestamp(9e15),
    },
    body: 'x',
  });
  t.is(readAmqp(bytes, 0, bytes.length), '"specversion":"1.0"');
});

/** Bytes of a message, some of them changed. */
function mutated(good: Buffer): fc.Arbitrary<Buffer> {
  const change = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255) });
  return fc.tuple(fc.array(change, { maxLength: 6 }), fc.nat(good.length)).map(([changes, length]) => {
    const bytes = Buffer.from(good);
    for (const { at, byte } of changes) bytes[at] = byte;
    return length % 3 === 0 ? bytes.subarray(0, length) : bytes;
  });
}

const event = encode({
  message_id: 'm',
  content_type: 'application/json',
  application_properties: {
    cloudEvents_specversion: '1.0',
    cloudEvents_id: '1',
    cloudEvents_time: rhea.types.wrap_timestamp(1),
    nested: rhea.types.wrap_list([1, 2]),
  },
  body: 'x',
});
const headers = block('ce-specversion: 1.0', 'ce-id: %41', 'content-type: application/json');

for (const [name, good, read] of [
  ['AMQP 1.0', event, (bytes: Buffer) => readAmqp(bytes, 0, bytes.length)],
  ['NATS', headers, readNats],
] as const) {
  test(`${name}: any bytes are read, and what is read is a part of a JSON object`, (t) => {
    const bytes = fc.oneof(
      mutated(good),
      fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
    );
    let found = 0;
    const property = fc.property(bytes, (message) => {
      const text = read(message);
      if (text === undefined) return;
      found += 1;
      JSON.parse(`{${text}}`);
    });
    fc.assert(property, { numRuns: 5000 });
    t.true(found > 100, `${found} events`);
  });
}

/** The properties of a PUBLISH: pairs of texts, and the content type. */
function mqttProperties(pairs: ReadonlyArray<readonly [string, string]>, contentType?: string): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
  };
  const parts = pairs.map(([name, value]) => Buffer.concat([Buffer.from([0x26]), text(name), text(value)]));
  if (contentType !== undefined) parts.push(Buffer.concat([Buffer.from([0x03]), text(contentType)]));
  const all = Buffer.concat(parts);
  if (all.length > 127) throw new Error('a longer length is not encoded here');
  return Buffer.concat([Buffer.from([all.length]), all]);
}

function readMqtt(bytes: Buffer, readsEvents = true): string | undefined {
  const properties = new MessageProperties(readsEvents);
  properties.clear();
  properties.read(bytes, 0, bytes.length);
  return properties.event;
}

test('MQTT: user properties are attributes, only if the transport takes events', (t) => {
  const bytes = mqttProperties(
    [
      ['specversion', '1.0'],
      ['id', 'i'],
      ['id', 'second'],
      ['x', 'y'],
    ],
    'text/json',
  );
  t.is(readMqtt(bytes), '"specversion":"1.0","id":"i","datacontenttype":"text/json"');
  t.is(readMqtt(bytes, false), undefined);
  t.is(readMqtt(mqttProperties([['specversion', '1.0']], 'application/cloudevents+json')), undefined);
});

test('MQTT: the attributes of one message do not show in the next', (t) => {
  const properties = new MessageProperties(true);
  const bytes = mqttProperties([['specversion', '1.0']]);
  properties.clear();
  properties.read(bytes, 0, bytes.length);
  t.truthy(properties.event);
  properties.clear();
  t.is(properties.event, undefined);
});

test('the events in docs/protocol.md are heartbeats, with the lengths that the page says', (t) => {
  const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
  const [, section = ''] = /^## CloudEvents\n([\s\S]*?)^## /m.exec(page) ?? [];
  const [, structured = ''] = /```json\n([\s\S]*?)```/.exec(section) ?? [];
  const decode = (body: string) =>
    cloudevents.decode(wholeBody(Buffer.from(body)), { messageId: undefined, isCall: false }, false);
  const args = { payload: { service_status: 'running' } };
  t.like(decode(structured), {
    method: 'heartbeat',
    messageId: '8c5f3b1e',
    args,
    subject: { instance_id: 'i1' },
  });
  const [, sizes = '', head = '', body = ''] =
    /HPUB \S+ \S+ (\d+ \d+)\n([\s\S]*?)\n\n +(.*)\n/.exec(section) ?? [];
  const lines = head.split('\n').map((line) => line.trim());
  const headers = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  t.is(sizes, `${headers.length} ${headers.length + body.length}`);
  t.like(decode(`{"data":${body},${readNats(headers)}}`), {
    method: 'heartbeat',
    messageId: '8c5f3b1e',
    args,
  });
});
