import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import ava from 'ava';
import { bodyOf } from '../../src/core/span.ts';
import { unsealBatch } from '../../src/workers/batch/unseal.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { createDatabase } from '../support/database.ts';
import { maintain } from '../support/maintain.ts';
import { encryptionKey, seal, storeKey } from '../support/secure.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { apply, insertInstances, openContext, raw, statusOf } from '../support/worker.ts';

/** Bodies that their senders have compressed, as a worker takes them. */

const test = needs(ava, 'postgres');

const args = (instance: string) => ({
  instance_id: instance,
  sent: 1,
  payload: { service_status: 'running' },
});
const osloBody = (message: object) =>
  JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
const heartbeat = (instance: string) => JSON.stringify({ method: 'heartbeat', args: args(instance) });
const osloHeartbeat = (instance: string, more: object = {}) =>
  osloBody({ method: 'heartbeat', args: args(instance), version: '1.0', ...more, _context_user: 'u' });
/** As kombu does it: a stream of zlib under gzip's name. */
const kombu = (body: string, compression = 'application/x-gzip') => raw(deflateSync(body), { compression });

test('compressed messages are applied beside plain ones', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { autoRegister: true });
  const outcomes = await apply(context, [
    kombu(heartbeat('i1')),
    raw(heartbeat('i2')),
    raw(gzipSync(heartbeat('i3')), { compression: 'gzip' }),
    raw(brotliCompressSync(heartbeat('i4')), { compression: 'application/x-brotli' }),
    raw(heartbeat('i5'), { compression: '' }),
  ]);
  t.deepEqual(outcomes, ['applied', 'applied', 'applied', 'applied', 'applied']);
  t.deepEqual(await apply(context, [kombu(osloHeartbeat('i6'))], 'oslo'), ['applied']);
  for (const instance of ['i1', 'i2', 'i3', 'i4', 'i5', 'i6'])
    t.like(await statusOf(database, instance), { status_description: 'running' });
});

test('a compressed body that cannot be read is a dead letter with its reason, stored as it arrived', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { maxBody: 1000 });
  const bodies: ReadonlyArray<readonly [rawMessage: RawMessage, outcome: string]> = [
    [kombu(heartbeat('i1'), 'application/x-lzma'), 'dead: bad_envelope'],
    [raw(heartbeat('i1'), { compression: 'gzip' }), 'dead: bad_envelope'],
    [raw(deflateSync(heartbeat('i1')).subarray(0, 30), { compression: 'gzip' }), 'dead: bad_envelope'],
    [kombu(`${heartbeat('i1')}${' '.repeat(1000)}`), 'dead: too_large'],
    [kombu('{'), 'dead: not_json'],
    [kombu(''), 'dead: empty'],
    [raw('', { compression: 'gzip' }), 'dead: empty'],
    [raw(deflateSync(Buffer.from([0xff])), { compression: 'gzip' }), 'dead: not_utf8'],
    [
      raw(deflateSync('x').subarray(0, 4), {
        compression: 'gzip',
        oversize: { size: 5000, digest: Buffer.alloc(32) },
      }),
      'dead: too_large',
    ],
  ];
  t.deepEqual(
    await apply(
      context,
      bodies.map(([rawMessage]) => rawMessage),
    ),
    bodies.map(([, outcome]) => outcome),
  );
  const letters = await database.query<{ body: Buffer; detail: string }>(
    'SELECT body, detail FROM dead_letters ORDER BY id',
  );
  t.deepEqual(
    letters.map(({ body }) => body.toString('hex')).toSorted(),
    bodies.map(([message]) => bodyOf(message).toString('hex')).toSorted(),
  );
  t.true(letters.some(({ detail }) => detail.includes('gzip, zlib, bzip2, brotli and zstd are supported')));
});

test('a compressed oslo call is recognized by its body, and answered', async (t) => {
  const context = openContext(t, await createDatabase(t, { migrated: true }));
  const body = osloBody({ method: 'ping', args: {}, _msg_id: 'm', _reply_q: 'q', _context_user: 'u' });
  t.deepEqual(await apply(context, [kombu(body)], 'oslo'), ['call']);
  const [rawMessage] = await unsealBatch(context, 'oslo', [kombu(body)], { exceptCalls: false });
  if (rawMessage === undefined) throw new Error('it is gone');
  const { outcome, reply } = await runCall({
    state: context,
    raw: rawMessage,
    transport: 'oslo',
    timeout: 5000,
  });
  t.is(outcome, 'answered');
  t.is(reply?.name, 'q');
  const [broken] = await unsealBatch(context, 'plain', [raw('{}', { compression: 'gzip', isCall: true })], {
    exceptCalls: false,
  });
  if (broken === undefined) throw new Error('it is gone');
  const refused = await runCall({ state: context, raw: broken, transport: 'plain', timeout: 5000 });
  t.is(refused.outcome, 'refused');
  t.regex(Buffer.from(refused.reply?.body ?? []).toString(), /cannot be inflated/);
});

test('compressed messages in secure form are opened, at once or once their key is known', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, {
    transports: { oslo: { codec: 'oslo', auth: 'trove', instRpcKeyEncrKey: encryptionKey } },
  });
  await insertInstances(database, 'i-1');
  await storeKey(database, 'i-1', 'key-1');
  const sealed = (instance: string, key: string) =>
    kombu(seal('heartbeat', args(instance), { instance, key }));
  t.deepEqual(
    await apply(context, [sealed('i-1', 'key-1'), sealed('i-2', 'key-2'), sealed('i-1', 'other')], 'oslo'),
    ['applied', 'deferred: unknown', 'dead: undecryptable'],
  );
  await insertInstances(database, 'i-2');
  await storeKey(database, 'i-2', 'key-2');
  await waitFor(async () => (await maintain(context)).resolved === 1, { what: 'the one that waits' });
  t.like(await statusOf(database, 'i-2'), { status_description: 'running' });
});
