import { randomUUID } from 'node:crypto';
import test from 'ava';
import {
  field,
  fieldTypes,
  nested,
  type PropertyBytes,
  property,
  published,
  table,
} from '../support/amqp091-bytes.ts';
import { openRaw } from '../support/amqp091-raw.ts';
import { needs, service } from '../support/services.ts';
import { assertFloodIsHarmless, floodSize, type GoodMessage } from './flood.ts';

const good = floodSize;
/** Always the same numbers, so that a failure comes again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
const random = randomOf(20_261_126);
const chance = (one: number) => random(one) === 0;
const bytes = (below: number) => Buffer.from(Array.from({ length: random(below) }, () => random(256)));
const shortBytes = () => bytes(chance(10) ? 256 : 30);

/** RabbitMQ refuses lengths that are wrong, types that it does not know, and numbers that are none (NaN, infinities). */
function anyField(depth: number, name = shortBytes()): Buffer {
  const [type, data] = fieldTypes[random(fieldTypes.length)] ?? ['V', Buffer.alloc(0)];
  if (type === 'S' || type === 'x') return field(name, type, bytes(chance(50) ? 3000 : 40));
  if (type === 'F') return field(name, type, fieldsOf(depth + 1));
  if (type === 'A')
    return field(
      name,
      type,
      Buffer.concat(some(depth, () => anyField(depth + 1, Buffer.alloc(0)).subarray(1))),
    );
  const any = Buffer.from(data.map(() => random(256)));
  if (type === 'd' || type === 'f') any.writeUInt8(any.readUInt8() & 0xbf);
  return field(name, type, any);
}

function some(depth: number, make: () => Buffer): Buffer[] {
  return Array.from({ length: depth > 3 ? 0 : random(5) }, make);
}

function fieldsOf(depth: number): Buffer {
  return Buffer.concat(some(depth, () => anyField(depth)));
}

/** The properties that a sender may choose: the broker checks three of them: `delivery_mode`, `expiration` and `user_id`. */
function anyProperties(userId: string): PropertyBytes {
  const maybe = (name: keyof PropertyBytes, value: () => Buffer) => (chance(3) ? { [name]: value() } : {});
  return {
    ...maybe('contentType', shortBytes),
    ...maybe('contentEncoding', shortBytes),
    headers: chance(200)
      ? table(nested(1 + random(4000)))
      : table(fieldsOf(0), ...(chance(4) ? [compression()] : [])),
    ...maybe('deliveryMode', () => Buffer.of(1 + random(2))),
    ...maybe('priority', () => Buffer.of(random(256))),
    ...maybe('correlationId', shortBytes),
    ...(chance(100) && { replyTo: shortBytes() }),
    ...maybe('expiration', () => Buffer.from(String(1_000_000 + random(1_000_000)))),
    ...maybe('messageId', shortBytes),
    ...maybe('timestamp', () => Buffer.from(Array.from({ length: 8 }, () => random(256)))),
    ...maybe('type', shortBytes),
    ...maybe('userId', () => Buffer.from(userId)),
    ...maybe('appId', shortBytes),
    ...maybe('clusterId', shortBytes),
  };
}

/** Of every type: a text says how the body is compressed, or does not. */
const compression = () => anyField(0, Buffer.from('compression'));

/** Any bytes after the first word, save those that make further words. */
function anyKey(): Buffer {
  return Buffer.concat([Buffer.from('conductor.'), bytes(240).map((byte) => (byte === 0x2e ? 0x2f : byte))]);
}

/** A stale heartbeat of the same instance, so that it takes nothing from the good one; or no heartbeat at all. */
function anyBody({ body }: GoodMessage): Buffer {
  if (chance(5)) return bytes(60);
  const message: { args: { sent: number } } = JSON.parse(body.toString());
  message.args.sent -= 1000;
  return Buffer.from(JSON.stringify(message));
}

needs(
  test,
  'rabbitmq',
  'postgres',
)('amqp091: properties that RabbitMQ accepts affect no other message', async (t) => {
  const name = `flood-${randomUUID()}`;
  const url = await service('rabbitmq').createVhost(name);
  t.teardown(() => service('rabbitmq').deleteVhost(name));
  await assertFloodIsHarmless(t, {
    entry: { kind: 'amqp091', url },
    good,
    async send(messages) {
      const { raw, close } = await openRaw(url);
      for (const message of messages) {
        const key = Buffer.from(`conductor.${message.instance}`);
        await raw.send(published('conductor', key, property({}), message.body));
        const hostile = property(anyProperties(name));
        await raw.send(published('conductor', chance(2) ? anyKey() : key, hostile, anyBody(message)));
      }
      await raw.confirmed();
      await close();
      return messages.length;
    },
  });
});
