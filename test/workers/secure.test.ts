import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { isObject } from '../../src/core/json.ts';
import { cipherKeyOf, decrypt } from '../../src/core/message/codecs/trove-secure.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { unsealBatch } from '../../src/workers/batch/unseal.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import { maintain } from '../../src/workers/maintain.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { encryptionKey, entity, type SealOptions, seal, storeKey } from '../support/secure.ts';
import { needs } from '../support/services.ts';
import { apply, insertBackup, insertInstances, openContext, raw, statusOf } from '../support/worker.ts';

/** Trove's secure form as a worker takes it: who sent a message is whose key opens it. */

const withPostgres = needs(test, 'postgres');
const transports = {
  oslo: { codec: 'oslo', auth: 'trove', instRpcKeyEncrKey: encryptionKey },
} as const;

/** Two instances with keys of their own. */
async function start(t: ExecutionContext): Promise<{ database: TestDatabase; context: ThreadState }> {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i-1', 'i-2');
  await storeKey(database, 'i-1', 'key-1');
  await storeKey(database, 'i-2', 'key-2');
  return { database, context: openContext(t, database, { transports }) };
}

const own: SealOptions = { instance: 'i-1', key: 'key-1' };
const heartbeatArgs = (instance: string, sent = 1, status = 'running') => ({
  instance_id: instance,
  sent,
  payload: { service_status: status },
});
const heartbeat = (options: SealOptions = own, sent = 1, status = 'running') =>
  raw(seal('heartbeat', heartbeatArgs(options.instance, sent, status), options));

interface Captured {
  readonly secure: {
    readonly instance_rpc_encr_key: string;
    readonly messages: ReadonlyArray<{ readonly body: string }>;
  };
}

withPostgres('messages captured from Trove are opened and applied', async (t) => {
  const { database, context } = await start(t);
  const file = new URL('../fixtures/trove-18-oslo-14.json', import.meta.url);
  const { secure }: Captured = JSON.parse(readFileSync(file, 'utf8'));
  const [instance, backup] = ['9ce88802-f075-91e5-ce04-57ef51ece021', '5b7ce4e4-6d9c-4dbd-a2b2-5b2f9d8d2c11'];
  await insertInstances(database, instance);
  await storeKey(database, instance, secure.instance_rpc_encr_key);
  await insertBackup(database, backup, instance);
  const outcomes = await apply(
    context,
    secure.messages.map(({ body }) => raw(body)),
    'oslo',
  );
  t.deepEqual(
    outcomes,
    secure.messages.map(() => 'applied'),
  );
  t.like(await statusOf(database, instance), { status_description: 'running' });
  t.like((await database.query('SELECT state FROM backups'))[0], { state: 'COMPLETED' });
  t.deepEqual(await database.query('SELECT id, "user" FROM root_enabled_history'), [
    { id: instance, user: 'u1' },
  ]);
});

for (const [what, body, outcome, detail] of [
  [
    'plain text',
    seal('heartbeat', {}, { ...own, raw: heartbeatArgs('i-1'), context: false }),
    'dead: forbidden',
    /its context is not encrypted$/,
  ],
  [
    'a plain argument among encrypted ones',
    seal('heartbeat', heartbeatArgs('i-1'), { ...own, raw: { sent: 7 } }),
    'dead: forbidden',
    /argument "sent" is not encrypted$/,
  ],
  [
    'an encrypted message in a plain context',
    seal('heartbeat', heartbeatArgs('i-1'), { ...own, context: false }),
    'dead: forbidden',
    /its context is not encrypted$/,
  ],
  [
    'an argument that another instance has encrypted',
    seal('heartbeat', heartbeatArgs('i-1'), { ...own, raw: { sent: entity(7, 'i-2', 'key-2') } }),
    'dead: forbidden',
    /argument "sent" comes from another instance than the context$/,
  ],
  [
    'a message about another instance',
    seal('heartbeat', heartbeatArgs('i-2'), own),
    'dead: forbidden',
    /^i-1 sent a message about i-2$/,
  ],
  [
    'a message encrypted with another key than its instance’s',
    seal('heartbeat', heartbeatArgs('i-1'), { ...own, key: 'key-2' }),
    'dead: undecryptable',
    /^instance i-1, which it names, has a key that does not unseal it$/,
  ],
  [
    'a part that is no ciphertext',
    seal('heartbeat', heartbeatArgs('i-1'), {
      ...own,
      raw: { sent: JSON.stringify({ entity: 'AAAA', 'csz-instance-id': 'i-1' }) },
    }),
    'dead: undecryptable',
    /does not unseal it$/,
  ],
  ['a body that is no JSON', '{', 'dead: not_json', /./],
  [
    'a hostile argument',
    seal('heartbeat', { ...heartbeatArgs('i-1'), extra: 'a\0b' }, own),
    'dead: bad_argument',
    /NUL/,
  ],
] as const) {
  withPostgres(`${what} is a dead letter with its reason, and changes nothing`, async (t) => {
    const { database, context } = await start(t);
    t.deepEqual(await apply(context, [raw(body), heartbeat({ instance: 'i-2', key: 'key-2' })], 'oslo'), [
      outcome,
      'applied',
    ]);
    const [letter] = await database.query('SELECT detail, convert_from(body, $1) AS body FROM dead_letters', [
      'UTF8',
    ]);
    t.regex(String(letter?.detail), detail);
    t.is(letter?.body, body);
    t.is(await statusOf(database, 'i-1'), undefined);
  });
}

withPostgres('a changed key is used from the first message that it has encrypted', async (t) => {
  const { database, context } = await start(t);
  t.deepEqual(await apply(context, [heartbeat()], 'oslo'), ['applied']);
  await storeKey(database, 'i-1', 'key-new');
  const renewed = { ...own, key: 'key-new' };
  t.deepEqual(await apply(context, [heartbeat(renewed, 2)], 'oslo'), ['applied']);
  t.deepEqual(await apply(context, [heartbeat(own, 3)], 'oslo'), ['dead: undecryptable']);
});

withPostgres('an instance without a key cannot send', async (t) => {
  const { database, context } = await start(t);
  await storeKey(database, 'i-1', null);
  t.deepEqual(await apply(context, [heartbeat()], 'oslo'), ['dead: undecryptable']);
});

const dueNow = (database: TestDatabase) => database.query('UPDATE deferred SET next_attempt_at = now()');

withPostgres('a heartbeat that arrives before its instance is made is opened later', async (t) => {
  const { database, context } = await start(t);
  const early = { instance: 'i-3', key: 'key-3' };
  t.deepEqual(await apply(context, [heartbeat(early, 1, 'building'), heartbeat(early, 2)], 'oslo'), [
    'deferred: unknown',
    'deferred: unknown',
  ]);
  t.deepEqual(await database.query('SELECT method, key FROM deferred'), [
    { method: 'sealed heartbeat', key: 'i-3' },
  ]);
  await dueNow(database);
  t.like(await maintain(context), { retried: 1, resolved: 0 });
  await insertInstances(database, 'i-3');
  await storeKey(database, 'i-3', 'key-3');
  await dueNow(database);
  t.like(await maintain(context), { retried: 1, resolved: 1 });
  t.like(await statusOf(database, 'i-3'), { status_description: 'running', sent: 2 });
  t.deepEqual(await database.query('SELECT FROM deferred'), []);
});

withPostgres('a message that was opened late still publishes its notification', async (t) => {
  const { database, context } = await start(t);
  const serialized_notification = {
    tenant_id: 't1',
    client_ip: '192.0.2.10',
    server_ip: '192.0.2.1',
    server_type: 'guest',
    request_id: 'req-1',
    instance_id: 'i-3',
    notification_classname: 'trove.common.notification.DBaaSInstanceCreate',
  };
  const body = seal('notify_end', { serialized_notification }, { instance: 'i-3', key: 'key-3' });
  t.deepEqual(await apply(context, [raw(body)], 'oslo'), ['deferred: unknown']);
  await insertInstances(database, 'i-3');
  await storeKey(database, 'i-3', 'key-3');
  await dueNow(database);
  const { notifications = [] } = await maintain(context);
  t.deepEqual(
    notifications.map(({ transport, notification: { topic } }) => [transport, topic]),
    [['oslo', 'notifications.info']],
  );
});

withPostgres(
  'messages wait if their keys are encrypted under another secret, and do not become dead letters',
  async (t) => {
    const { database, context } = await start(t);
    await storeKey(database, 'i-1', 'key-1', 'another secret');
    t.deepEqual(await apply(context, [heartbeat()], 'oslo'), ['deferred: unknown']);
    await storeKey(database, 'i-1', 'key-1');
    await dueNow(database);
    t.like(await maintain(context), { resolved: 1 });
    t.like(await statusOf(database, 'i-1'), { status_description: 'running' });
  },
);

withPostgres(
  'a message that was opened late and is about another instance is a dead letter with its body',
  async (t) => {
    const { database, context } = await start(t);
    const body = seal('heartbeat', heartbeatArgs('i-1'), { instance: 'i-3', key: 'key-3' });
    t.deepEqual(await apply(context, [raw(body)], 'oslo'), ['deferred: unknown']);
    await insertInstances(database, 'i-3');
    await storeKey(database, 'i-3', 'key-3');
    await dueNow(database);
    t.like(await maintain(context), { resolved: 1 });
    const [letter] = await database.query('SELECT reason, convert_from(body, $1) AS body FROM dead_letters', [
      'UTF8',
    ]);
    t.deepEqual(letter, { reason: 'forbidden', body });
  },
);

withPostgres('a message of an instance that is never made becomes a dead letter in the end', async (t) => {
  const { database } = await start(t);
  const context = openContext(t, database, {
    transports,
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 1, maxRows: 10 },
  });
  const body = seal('heartbeat', heartbeatArgs('i-3'), { instance: 'i-3', key: 'key-3' });
  t.deepEqual(await apply(context, [raw(body)], 'oslo'), ['deferred: unknown']);
  await database.query(
    "UPDATE deferred SET next_attempt_at = now(), first_deferred_at = now() - interval '1 s'",
  );
  t.like(await maintain(context), { resolved: 1 });
  t.deepEqual(
    await database.query('SELECT reason, method, convert_from(body, $1) AS body FROM dead_letters', ['UTF8']),
    [{ reason: 'never_known', method: 'heartbeat', body }],
  );
});

withPostgres('a message of an unknown method does not wait for a key', async (t) => {
  const { context } = await start(t);
  const body = seal('heartbeats', {}, { instance: 'i-3', key: 'key-3' });
  t.deepEqual(await apply(context, [raw(body)], 'oslo'), ['dead: unknown_method']);
});

withPostgres('messages are held while keys cannot be read', async (t) => {
  const { context } = await start(t);
  const away = openContext(
    t,
    { url: 'postgresql://127.0.0.1:1/trove', query: () => Promise.resolve([]) },
    { transports },
  );
  await t.throwsAsync(unsealBatch(away, 'oslo', [heartbeat()], { exceptCalls: true }), {
    code: 'ECONNREFUSED',
  });
  t.deepEqual(await apply(context, [heartbeat()], 'oslo'), ['applied']);
});

withPostgres('cached keys are not read again', async (t) => {
  const { database, context } = await start(t);
  t.deepEqual(await apply(context, [heartbeat()], 'oslo'), ['applied']);
  await database.query('ALTER TABLE instances RENAME COLUMN encrypted_key TO away');
  t.deepEqual(await apply(context, [heartbeat(own, 2)], 'oslo'), ['applied']);
  await t.throwsAsync(apply(context, [heartbeat({ instance: 'i-2', key: 'key-2' })], 'oslo'));
});

/** Calls a method in secure form; what the caller reads of the answer. */
async function call(context: ThreadState, body: string) {
  const [rawMessage] = await unsealBatch(context, 'oslo', [raw(body)], { exceptCalls: false });
  if (rawMessage === undefined) throw new Error('no message');
  const { outcome, reply } = await runCall({
    state: context,
    raw: rawMessage,
    transport: 'oslo',
    timeout: 5000,
  });
  const outer: unknown = JSON.parse(Buffer.from(reply?.body ?? []).toString());
  const message: unknown = isObject(outer) ? JSON.parse(String(outer['oslo.message'])) : undefined;
  if (!isObject(message)) throw new Error('no answer');
  const { result, failure } = message;
  return {
    outcome,
    to: reply?.name,
    result: typeof result === 'string' ? JSON.parse(decrypt(result, cipherKeyOf('key-1')) ?? '""') : result,
    failure: failure === null ? null : JSON.parse(String(failure)),
  };
}

const callAddress = { _msg_id: 'm-1', _reply_q: 'replies' };

withPostgres('the answer to a call is encrypted with the key of its sender', async (t) => {
  const { context } = await start(t);
  const answer = await call(context, seal('ping', {}, { ...own, more: callAddress }));
  t.like(answer, { outcome: 'answered', to: 'replies', failure: null });
  t.like(answer.result, { pong: true });
});

withPostgres('a call that cannot be opened is refused, and its caller gets an error', async (t) => {
  const { context } = await start(t);
  const foreign = await call(context, seal('ping', {}, { ...own, key: 'key-2', more: callAddress }));
  t.like(foreign, { outcome: 'refused', to: 'replies', failure: { class: 'Forbidden' } });
  const unknown = await call(context, seal('ping', {}, { instance: 'i-3', key: 'k', more: callAddress }));
  t.like(unknown, { outcome: 'refused', to: 'replies', failure: { class: 'Forbidden' } });
});
