import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import test from 'ava';
import mqtt, { type IClientPublishOptions, type MqttClient } from 'mqtt';
import { within } from '../../src/core/deadline.ts';
import { needs, service } from '../support/services.ts';
import { assertFloodIsHarmless, floodSize } from './flood.ts';

const good = floodSize;
/** Messages on their way to the broker at once. */
const publishWindow = 500;

/**
 * Texts that MQTT can carry, though hardly anything else expects them. Over control characters and what is no character Mosquitto ends
 * the sender's connection.
 */
const texts = [
  '',
  ' ',
  'a',
  '#',
  '+/x',
  '$SYS/broker',
  '../..',
  '__proto__',
  'constructor',
  'toString',
  'message-id',
  '\u{1f980}\u{e000}',
  '\ufffd\ufeff\u202e',
  "'; DROP TABLE instances --",
  '"\\',
  '/'.repeat(300),
];
/** Rare, or they would be all that the test has time for. */
const longText = 'é'.repeat(15_000);

const any = <Item>(items: ReadonlyArray<Item>): Item | undefined => items[randomInt(items.length)];
const text = () => (randomInt(300) === 0 ? longText : (any(texts) ?? ''));
const maybe = <Value>(value: () => Value): Value | undefined => (randomInt(2) === 0 ? value() : undefined);

function userProperties(): Record<string, string | string[]> {
  const properties: Record<string, string | string[]> = Object.create(null);
  for (let count = randomInt(1, 6); count > 0; count -= 1)
    properties[text()] = randomInt(2) === 0 ? text() : Array.from({ length: randomInt(1, 20) }, text);
  return properties;
}

/** The library writes wrong lengths for what is undefined or has no entry. */
function properties(): NonNullable<IClientPublishOptions['properties']> {
  const all = {
    payloadFormatIndicator: maybe(() => randomInt(2) === 0),
    messageExpiryInterval: maybe(() => any([1000, 86_400, 0xffff_ffff])),
    responseTopic: maybe(() => any(texts.filter((name) => name !== '' && !/[+#]/.test(name)))),
    correlationData: maybe(() => randomBytes(any([0, 1, 16, 5000]) ?? 0)),
    contentType: maybe(text),
    userProperties: maybe(userProperties),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

const bodies: ReadonlyArray<(body: Buffer) => Buffer> = [
  (body) => body,
  () => Buffer.alloc(0),
  () => randomBytes(randomInt(1, 300)),
  (body) => body.subarray(0, randomInt(body.length)),
  () => Buffer.from('[]'),
  () => Buffer.from('{"method": "__proto__", "args": {}}'),
];

needs(
  test,
  'mosquitto',
  'postgres',
)(
  `mqtt 5: ${good} messages with properties of every kind do not affect as many good ones among them`,
  async (t) => {
    const { url } = service('mosquitto');
    const name = `flood-${randomUUID()}`;
    await assertFloodIsHarmless(t, {
      entry: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name, keepSession: false },
      good,
      async send(messages) {
        const connections = await Promise.all([1, 2].map(() => publisher(url)));
        const [regular, odd] = connections;
        let open = true;
        for (const client of connections)
          client.on('close', () => {
            open = false;
          });
        if (regular === undefined || odd === undefined) throw new Error('there are two');
        let cleared = 0;
        for (let begin = 0; begin < messages.length; begin += publishWindow) {
          const window = messages.slice(begin, begin + publishWindow);
          if (!open) throw new Error('the broker has refused something');
          const confirmed = Promise.all(
            window.flatMap(({ instance, body }) => {
              const other = any(bodies)?.(body) ?? body;
              const retain = randomInt(20) === 0;
              // It only clears what is retained.
              if (retain && other.length === 0) cleared += 1;
              return [
                regular.publishAsync(`${name}/${instance}`, body, { qos: 1 }),
                odd.publishAsync(`${name}/${randomInt(100)}`, other, {
                  qos: any([0, 1, 2] as const) ?? 1,
                  retain,
                  properties: properties(),
                }),
              ];
            }),
          );
          await within(confirmed, 10_000);
        }
        for (const client of connections) await client.endAsync();
        return messages.length - cleared;
      },
    });
  },
);

/** It names the topics of its messages by an alias where it may, as brokers may be asked to. */
function publisher(url: string): Promise<MqttClient> {
  return mqtt.connectAsync(url, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    autoAssignTopicAlias: true,
    properties: { topicAliasMaximum: 10 },
  });
}
