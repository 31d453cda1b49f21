import {
  field,
  fieldTypes,
  nested,
  type PropertyBytes,
  property,
  published,
  short,
  table,
} from '../../support/amqp091-bytes.ts';
import { openRaw } from '../../support/amqp091-raw.ts';

/** The longest short string (AMQP 0-9-1, section 4.2.5.3). */
const longest = Buffer.alloc(255, 'x');
const invalidUtf8 = Buffer.from([0xff, 0xfe, 0xc0, 0x80]);
const controls = Buffer.from('a\r\n\0b');
const names: ReadonlyArray<keyof PropertyBytes> = [
  'contentType',
  'contentEncoding',
  'correlationId',
  'replyTo',
  'messageId',
  'type',
  'appId',
  'clusterId',
];
/** One byte less than a frame, whose size RabbitMQ sets at 128 KiB. */
const frameful = 130_000;

const headers = (...fields: ReadonlyArray<Buffer>): PropertyBytes => ({ headers: table(...fields) });

function* allProperties(): Generator<readonly [what: string, properties: PropertyBytes]> {
  for (const [type, data] of fieldTypes) {
    yield [`a header of type ${type}`, headers(field('odd', type, data))];
    yield [`a compression of type ${type}`, headers(field('compression', type, data))];
  }
  yield ['a header of a type that there is none of', headers(field('odd', '?', Buffer.alloc(0)))];
  yield [
    'a header that ends too early',
    headers(Buffer.concat([short('odd'), Buffer.from('S'), Buffer.alloc(4, 0xff)])),
  ];
  for (const depth of [10, 1000, 10_000]) yield [`${depth} tables in each other`, headers(nested(depth))];
  yield ['a header without a name', headers(field('', 'S', Buffer.from('x')))];
  yield ['a header whose name is not UTF-8', headers(field(invalidUtf8, 'S', Buffer.from('x')))];
  yield ['a header whose name has controls', headers(field(controls, 'S', Buffer.from('x')))];
  yield ['a header whose value is not UTF-8', headers(field('odd', 'S', invalidUtf8))];
  yield ['a header whose value has controls', headers(field('odd', 'S', controls))];
  yield ['a header twice', headers(field('odd', 'V', Buffer.alloc(0)), field('odd', 'I', Buffer.alloc(4)))];
  yield ['a header that fills a frame', headers(field('odd', 'S', Buffer.alloc(frameful, 'x')))];
  yield ['headers larger than a frame', headers(field('odd', 'S', Buffer.alloc(2 * frameful, 'x')))];
  yield [
    'many headers',
    headers(...Array.from({ length: 5000 }, (_, number) => field(`odd ${number}`, 'V', Buffer.alloc(0)))),
  ];
  for (const name of names) {
    yield [`a ${name} of controls`, { [name]: controls }];
    yield [`a ${name} that is not UTF-8`, { [name]: invalidUtf8 }];
    yield [`an empty ${name}`, { [name]: Buffer.alloc(0) }];
    yield [`the longest ${name}`, { [name]: longest }];
  }
  yield ['an expiration that is no number', { expiration: Buffer.from('soon') }];
  yield ['a delivery mode that there is none of', { deliveryMode: Buffer.of(255) }];
  yield ['the highest priority', { priority: Buffer.of(255) }];
  yield ['the last of all times', { timestamp: Buffer.alloc(8, 0xff) }];
  yield ["another user's name", { userId: Buffer.from('somebody') }];
}

/** Messages that no client library writes, each from a connection of its own. */
export function hostileMessages(url: string, routingKey: string): Record<string, () => Promise<boolean>> {
  const send = (key: Buffer | string, properties: PropertyBytes) => async () => {
    const { raw, close } = await openRaw(url);
    try {
      await raw.send(published('conductor', key, property(properties), Buffer.from('hostile')));
      await raw.confirmed();
      return true;
    } catch {
      // RabbitMQ has closed the channel or the connection over it.
      return false;
    } finally {
      await close().catch(() => {});
    }
  };
  return Object.fromEntries([
    ...[...allProperties()].map(([what, properties]) => [what, send(routingKey, properties)] as const),
    ['a sender that is not UTF-8', send(Buffer.concat([Buffer.from('conductor.'), invalidUtf8]), {})],
    ['a sender of controls', send(Buffer.from('conductor.\r\n\0'), {})],
    ['a sender as long as there is room', send(Buffer.from(`conductor.${'x'.repeat(245)}`), {})],
  ]);
}
