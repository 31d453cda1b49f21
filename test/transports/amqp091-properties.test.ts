import test from 'ava';
import fc from 'fast-check';
import { Message, readProperties } from '../../src/transports/amqp091/read-properties.ts';
import { field, fieldTypes, nested, property, table } from '../support/amqp091-bytes.ts';
import { listOf, usedOf, wellFormed } from '../support/amqplib-inside.ts';

const octet = fc.integer({ min: 0, max: 255 });

/** Filled before by another message. */
function read(list: Buffer, start = 0, end = list.length) {
  const message = new Message();
  const name = Buffer.from('before');
  const compression = field('compression', 'S', name);
  const before = { correlationId: name, replyTo: name, expiration: name, messageId: name, userId: name };
  const full = property({ ...before, headers: table(compression) });
  readProperties(message, full, 0, full.length);
  readProperties(message, list, start, end);
  const { correlationId, replyTo, expiration, messageId, userId } = message;
  return { compression: message.compression, correlationId, replyTo, expiration, messageId, userId };
}

test('our reader and the library read the same properties', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(wellFormed, (properties) => {
        const list = listOf(properties);
        t.deepEqual(read(list), usedOf(list));
      }),
      { numRuns: 2000 },
    ),
  );
});

test('reading properties never fails, for any bytes', (t) => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((all) => Buffer.from(all));
  const cut = fc.tuple(wellFormed, fc.nat(200), octet, fc.nat(200)).map(([properties, at, by, length]) => {
    const list = Buffer.from(listOf(properties));
    if (at < list.length) list[at] = by;
    return list.subarray(0, length);
  });
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.oneof(bytes, cut), fc.nat(10), (list, before) => {
        const larger = Buffer.concat([Buffer.alloc(before, 0xff), list, Buffer.alloc(5, 0xff)]);
        const found = read(larger, before, before + list.length);
        t.deepEqual(found, read(list), 'what stands around it is not read');
      }),
      { numRuns: 2000 },
    ),
  );
});

test('a table delays nothing, with any content', (t) => {
  const compression = field('compression', 'S', Buffer.from('gzip'));
  for (const [type, data] of fieldTypes) {
    const headers = table(field('before', type, data), compression, field('after', type, data));
    const found = read(property({ headers, messageId: Buffer.from('id') }));
    t.is(found.compression, 'gzip', type);
    t.is(found.messageId, 'id', type);
  }
  const found = read(property({ headers: table(field('deep', 'F', nested(15_000)), compression) }));
  t.is(found.compression, 'gzip');
});

test('the fields of a table before one of an unknown type are read', (t) => {
  const compression = field('compression', 'S', Buffer.from('gzip'));
  const known = new Set(fieldTypes.map(([type]) => type));
  for (let code = 0; code < 256; code += 1) {
    const letter = String.fromCharCode(code);
    if (known.has(letter)) continue;
    const unknown = field('unknown', letter, Buffer.from([0, 0, 0, 0]));
    const messageId = Buffer.from('id');
    const before = read(property({ headers: table(compression, unknown), messageId }));
    t.deepEqual([before.compression, before.messageId], ['gzip', 'id']);
    const after = read(property({ headers: table(unknown, compression), messageId }));
    t.deepEqual([after.compression, after.messageId], [undefined, 'id']);
  }
});

test('a compression that is not a text is ignored', (t) => {
  for (const [type, data] of fieldTypes) {
    const { compression } = read(property({ headers: table(field('compression', type, data)) }));
    if (type !== 'S') t.is(compression, undefined, type);
  }
});

test('flags may continue in further words', (t) => {
  const list = Buffer.concat([Buffer.from([0x00, 0x81, 0xff, 0xff, 0x00, 0x00, 2]), Buffer.from('id')]);
  t.is(read(list).messageId, 'id');
  t.is(read(list.subarray(0, 3)).messageId, undefined);
});
