import { readFileSync } from 'node:fs';
import test from 'ava';
import { unsealBatch } from '../../src/workers/batch/unseal.ts';
import { dueLetters, redriveLetters } from '../../src/workers/redrive.ts';
import { entity, seal, storeKey } from '../support/secure.ts';
import { needs } from '../support/services.ts';
import { apply, insertBackup, insertInstances, openContext, raw, statusOf } from '../support/worker.ts';
import { heartbeat, heartbeatArgs, own, start, transports } from './secure-support.ts';

/** Trove's secure form as a worker takes it: the key of a message's sender opens it. */

const withPostgres = needs(test, 'postgres');

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

for (const [what, key, outcome] of [
  ['that was opened once', 'key-1', { applied: 1 }],
  ['that was never opened', 'another', { dead: 1 }],
] as const) {
  withPostgres(`a plain edited body of a sealed message ${what} is ${Object.keys(outcome)[0]}`, async (t) => {
    const { database, context } = await start(t);
    const message = raw(seal('heartbeat', { instance_id: 'i-1', sent: 'x', payload: {} }, { ...own, key }));
    t.regex((await apply(context, [message], 'oslo'))[0] ?? '', /^dead: (bad_argument|undecryptable)$/);
    const inner = { method: 'heartbeat', version: '1.0', args: heartbeatArgs('i-1', 5) };
    await database.query('UPDATE dead_letters SET redrive_at = now(), edited_body = $1', [
      Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(inner) })),
    ]);
    const { ids } = await dueLetters(context, 'oslo');
    t.deepEqual((await redriveLetters(context, { transport: 'oslo', ids })).outcomes, outcome);
  });
}

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
