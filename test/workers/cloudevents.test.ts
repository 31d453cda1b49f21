import test from 'ava';
import fc from 'fast-check';
import { bufferOf } from '../../src/core/json.ts';
import { cloudevents } from '../../src/core/message/codecs/cloudevents.ts';
import { EventAttributes } from '../../src/core/message/codecs/cloudevents-binary.ts';
import { bodyOf, wholeBody } from '../../src/core/span.ts';
import { MemorySession, MemoryTransport } from '../../src/transports/memory/index.ts';
import { pack, unpack } from '../../src/workers/packing.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { keyOf, masterKey, signedBy, storeSenderKeys } from '../support/signed.ts';
import { apply, insertInstances, openContext, raw, statusOf } from '../support/worker.ts';

/** An event in binary mode reaches the worker as one in structured mode. */

const session = new MemorySession(new MemoryTransport('memory'), () => true);

/** The message as a worker gets it. */
function crossed(
  body: Uint8Array,
  event: string | undefined,
  maxBody = 100_000,
  compression?: string,
): RawMessage {
  const meta = { event, compression, redelivered: false, receivedAt: 0, messageId: 'p1', sender: 's1' };
  const [message] = unpack(pack('events', [{ session, body, meta }], maxBody));
  if (message === undefined) throw new Error('nothing was unpacked');
  return message;
}

function textOf(attributes: Readonly<Record<string, string>>): string | undefined {
  const all = new EventAttributes();
  for (const [name, value] of Object.entries(attributes)) all.add(name, value);
  return all.text();
}

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 });
const attributes = fc.record({ id: words, source: words, type: words, subject: words, user: words });

test('an event in binary mode decodes to the same as in structured mode', (t) => {
  const data = fc
    .dictionary(words, fc.jsonValue())
    .filter((value) => !('__proto__' in value && Object.hasOwn(value, '__proto__')));
  const property = fc.property(attributes, data, (own, value) => {
    const named = { specversion: '1.0', ...own };
    const message = crossed(Buffer.from(JSON.stringify(value)), textOf(named));
    t.is(message.oversize, undefined);
    t.is(message.messageId, 'p1');
    t.is(message.sender, 's1');
    t.deepEqual(
      outcomeOf(bodyOf(message)),
      outcomeOf(Buffer.from(JSON.stringify({ ...named, data: value }))),
    );
  });
  fc.assert(property, { numRuns: 500 });
});

function outcomeOf(body: Uint8Array): unknown {
  try {
    return cloudevents.decode(wholeBody(bufferOf(body)), { messageId: undefined, isCall: false }, false);
  } catch (error) {
    return String(error);
  }
}

test('no body can change an attribute of an event in binary mode', (t) => {
  const pieces = fc.constantFrom(
    ...[
      '{',
      '}',
      '{}',
      ',',
      '"type":"x.other"',
      '"id":"other"',
      '"data":{}',
      '"subject":"other"',
      ':',
      '"',
      '\\',
      ' ',
    ],
  );
  const own = { specversion: '1.0', id: 'i', source: '/s', type: 't.method', subject: 'g' };
  let read = 0;
  const property = fc.property(fc.array(pieces, { minLength: 1, maxLength: 8 }), (parts) => {
    const message = crossed(Buffer.from(parts.join('')), textOf(own));
    try {
      const envelope = cloudevents.decode(message, message, false);
      read += 1;
      t.like(envelope, { method: 'method', messageId: 'i', subject: { instance_id: 'g' } });
    } catch (error) {
      t.regex(String(error), /^Rejected/);
    }
  });
  fc.assert(property, { numRuns: 5000 });
  t.true(read > 10, `${read} bodies were read`);
});

test('an empty body has no data, and a body that is too large crosses as its prefix', (t) => {
  const event = textOf({ specversion: '1.0', id: 'i', source: '/s', type: 'ping' });
  t.is(bodyOf(crossed(Buffer.alloc(0), event)).toString(), `{${event}}`);
  const large = crossed(Buffer.alloc(100_000, 'x'), event, 70_000);
  t.is(large.oversize?.size, 100_000);
  t.is(bodyOf(large).toString(), 'x'.repeat(65_536));
  const compressed = crossed(Buffer.from('{}'), event, 1000, 'gzip');
  t.is(bodyOf(compressed).toString(), '{}');
});

test('a body above maxBody does not shift what is packed behind it, however small maxBody is', (t) => {
  const meta = { messageId: 'm1', redelivered: false, receivedAt: 0 };
  const bodies = ['x'.repeat(50), 'y'.repeat(5)].map((text) => Buffer.from(text));
  const deliveries = bodies.map((body) => ({ session, body, meta }));
  const [large, small] = unpack(pack('events', deliveries, 10));
  t.is(large?.oversize?.size, 50);
  t.is(large?.messageId, 'm1');
  t.is(small && bodyOf(small).toString(), 'yyyyy');
  t.is(small?.messageId, 'm1');
});

needs(test, 'postgres')(
  'the attributes name the instance and the time of a heartbeat, unless its data do',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'i1', 'i2');
    const context = openContext(t, database, {
      transports: { events: { codec: 'cloudevents', auth: 'none' } },
    });
    const event = (more: object, data: object) =>
      raw(JSON.stringify({ specversion: '1.0', id: '1', source: '/g/i1', type: 'heartbeat', ...more, data }));
    const payload = { service_status: 'running' };
    t.deepEqual(
      await apply(
        context,
        [
          event({ time: '2026-11-27T09:14:50.5Z' }, { payload }),
          event({ time: '2026-11-27T09:14:49Z' }, { payload: { service_status: 'shutdown' } }),
          event({ subject: 'i1', time: '2026-11-27T09:14:50Z' }, { instance_id: 'i2', sent: 7.5, payload }),
          event({}, { payload }),
          event({ type: 'nope' }, {}),
        ],
        'events',
      ),
      ['applied', 'applied', 'applied', 'dead: bad_argument', 'dead: unknown_method'],
    );
    t.like(await statusOf(database, 'i1'), { status_description: 'running', sent: 1_795_770_890.5 });
    t.like(await statusOf(database, 'i2'), { sent: 7.5 });
    t.deepEqual(
      await database.query('SELECT DISTINCT instance_id FROM dead_letters'),
      [{ instance_id: 'i1' }],
      'a dead letter names the instance',
    );
  },
);

needs(test, 'postgres')(
  'a signed event is applied, and one that is changed behind its signature is not',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'i-1');
    const key = keyOf('i-1');
    await storeSenderKeys(database, key);
    const context = openContext(t, database, {
      transports: { events: { codec: 'cloudevents', auth: 'hmac', maxAge: 3_600_000 } },
      keys: { masterKey, previousMasterKey: '', refresh: 2000 },
    });
    const event = (source: string) => ({
      ...{ specversion: '1.0', id: '1', source, type: 'heartbeat', time: '2026-11-27T09:14:50Z' },
      data: { payload: { service_status: 'running' } },
    });
    const changed = signedBy(key, event('/g/i-1')).toString('latin1').replace('running', 'crashed');
    t.deepEqual(
      await apply(
        context,
        [signedBy(key, event('/g/i-1')), signedBy(key, event('/g/i-2')), Buffer.from(changed)].map((body) =>
          raw(body),
        ),
        'events',
      ),
      ['applied', 'dead: forbidden', 'dead: forbidden'],
    );
    t.like(await statusOf(database, 'i-1'), { status_description: 'running' });
  },
);
