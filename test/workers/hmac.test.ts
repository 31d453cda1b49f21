import { createSecretKey } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { readAccess } from '../../src/core/config/access.ts';
import { encryptSenderKey } from '../../src/core/message/sender-key.ts';
import { unsealBatch } from '../../src/workers/batch/unseal.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import type { WorkerSettings } from '../../src/workers/settings.ts';
import { createDatabase } from '../support/database.ts';
import { redrive } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { heartbeatMessage, keyOf, masterKey, signedBy, storeSenderKeys } from '../support/signed.ts';
import { waitFor } from '../support/wait.ts';
import { apply, insertInstances, openContext, raw, statusOf } from '../support/worker.ts';

/** Signed messages as a worker takes them: the key of a message's sender proves it. */

const withPostgres = needs(test, 'postgres');
const transport = 'signed';
const [own, other] = [keyOf('i-1'), keyOf('i-2')];

const newMaster = Buffer.alloc(32, 0x4e).toString('base64');

async function start(t: ExecutionContext, refresh = 2000, keys: Partial<WorkerSettings['keys']> = {}) {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i-1', 'i-2');
  await storeSenderKeys(database, own, other, keyOf('api'));
  const context = openContext(t, database, {
    transports: { [transport]: { codec: 'native', auth: 'hmac', maxAge: 3_600_000 } },
    keys: { masterKey, previousMasterKey: '', refresh, ...keys },
    access: readAccess({}, { api: { methods: ['heartbeat'] } }),
  });
  const send = (...bodies: Buffer[]) => {
    const messages = bodies.map((body) => raw(body));
    return apply(context, messages, transport);
  };
  return { database, context, send };
}

/** A heartbeat of an instance about itself. */
const beat = (key = own, sent = 1) => signedBy(key, heartbeatMessage(key.sender, sent));

const detailOf = async ({ database }: Awaited<ReturnType<typeof start>>) =>
  (await database.query<{ detail: string }>('SELECT detail FROM dead_letters'))[0]?.detail;

withPostgres('a signed message is applied, and its sender and message id are the signed ones', async (t) => {
  const started = await start(t);
  const { database, context, send } = started;
  t.deepEqual(await send(beat()), ['applied']);
  t.like(await statusOf(database, 'i-1'), { status_description: 'running' });
  const claims = { messageId: 'unsigned', sender: 'i-2', senderProof: 'subject' } as const;
  t.deepEqual(await apply(context, [raw(signedBy(own, { method: 'x', args: {} }), claims)], transport), [
    'dead: unknown_method',
  ]);
  const [letter] = await database.query('SELECT sender, sender_proof, message_id FROM dead_letters');
  t.deepEqual(letter, { sender: 'i-1', sender_proof: 'hmac', message_id: 'm1' });
});

withPostgres('a service signs for each instance if it is granted the method', async (t) => {
  const { send } = await start(t);
  t.deepEqual(await send(signedBy(keyOf('api'), heartbeatMessage('i-2'))), ['applied']);
});

withPostgres('a compressed body is inflated before its signature is checked', async (t) => {
  const { context } = await start(t);
  const message = raw(gzipSync(beat()), { compression: 'gzip' });
  t.deepEqual(await apply(context, [message], transport), ['applied']);
});

const seconds = () => Date.now() / 1000;
const replace = (from: string, to: string) =>
  Buffer.from(beat().toString('latin1').replace(from, to), 'latin1');

for (const [what, make, detail] of [
  [
    'a message that is not signed',
    () => Buffer.from(JSON.stringify(heartbeatMessage('i-1'))),
    /it is not signed$/,
  ],
  ['an altered body', () => replace('running', 'crashed'), /it is not signed by key k1 of i-1$/],
  ['an altered instance', () => replace('"i-1"', '"i-2"'), /it is not signed by key k1 of i-1$/],
  ['another sender in the line', () => replace('1 k1 i-1', '1 k1 i-2'), /it is not signed by key k1 of i-2$/],
  ['an altered time', () => replace('"sent":1', '"sent":2'), /it is not signed by/],
  [
    'a message about another instance',
    () => signedBy(own, heartbeatMessage('i-2')),
    /^i-1 sent a message about i-2$/,
  ],
  ['another sender’s key', () => beat({ ...other, sender: 'i-1' }), /it is not signed by key k1 of i-1$/],
  ['an unknown key', () => beat(keyOf('i-1', 'k9')), /key k9 of i-1 is not in sender_keys$/],
  [
    'a message of two hours ago',
    () => signedBy(own, heartbeatMessage('i-1'), { sent: seconds() - 7200 }),
    /it was signed 72\d\d s ago; 3600 s are accepted$/,
  ],
  [
    'a message of the next hour',
    () => signedBy(own, heartbeatMessage('i-1'), { sent: seconds() + 3600 }),
    /it was signed 3[56]\d\d s ahead of this clock; 300 s are accepted$/,
  ],
  [
    'a method of services',
    () => signedBy(own, { method: 'model_delete', args: { model: 'x', id: 'y' } }),
    /has an answer; the message has no reply address$/,
  ],
] as const) {
  withPostgres(`${what} is a dead letter with its reason, and changes nothing`, async (t) => {
    const started = await start(t);
    const reason = what === 'a method of services' ? 'not_a_cast' : 'forbidden';
    t.deepEqual(await started.send(make(), beat(other)), [`dead: ${reason}`, 'applied']);
    t.regex((await detailOf(started)) ?? '', detail);
    t.is(await statusOf(started.database, 'i-1'), undefined);
    t.deepEqual(await started.database.query('SELECT FROM deferred'), []);
  });
}

withPostgres(
  'while the master key is replaced, keys under the new one and under the one before prove their senders',
  async (t) => {
    const { database, send } = await start(t, 2000, { masterKey: newMaster, previousMasterKey: masterKey });
    await database.query("UPDATE sender_keys SET encrypted_key = $1 WHERE sender = 'i-2'", [
      encryptSenderKey(other, createSecretKey(newMaster, 'base64')),
    ]);
    t.deepEqual(await send(beat(), beat(other)), ['applied', 'applied']);
  },
);

for (const [what, change, detail] of [
  ['that was revoked', 'revoked_at = now()', /key k1 of i-1 is revoked$/],
  ['that has ended', 'not_after = now()', /key k1 of i-1 has ended$/],
  [
    'under another master key',
    "encrypted_key = decode(repeat('00', 60), 'hex')",
    /encrypted under another keys.masterKey$/,
  ],
] as const) {
  withPostgres(`a key ${what} proves nothing, once the thread has looked`, async (t) => {
    const started = await start(t, 1);
    const { database, send } = started;
    t.deepEqual(await send(beat()), ['applied']);
    await database.query(
      `UPDATE sender_keys SET ${change}, changed_at = clock_timestamp() WHERE sender = 'i-1'`,
    );
    let sent = 1;
    const outcome = await waitFor(
      async () => {
        sent += 1;
        const [word] = await send(beat(own, sent));
        return word !== 'applied' && word;
      },
      { what: 'the key to be refused' },
    );
    t.is(outcome, 'dead: forbidden');
    t.regex((await detailOf(started)) ?? '', detail);
  });
}

withPostgres('a replayed cast is a duplicate, and an older one is stale', async (t) => {
  const { send } = await start(t);
  const [first, second] = [beat(own, 1), beat(own, 2)];
  t.deepEqual(await send(second), ['applied']);
  t.deepEqual(await send(second), ['duplicate']);
  t.deepEqual(await send(first), ['stale']);
});

withPostgres('both keys of a rotation prove their sender', async (t) => {
  const { database, send } = await start(t);
  const next = keyOf('i-1', 'k2');
  await storeSenderKeys(database, next);
  const messages = [own, next].map((key, index) => beat(key, index + 1));
  t.deepEqual(await send(...messages), ['applied', 'applied']);
});

withPostgres(
  'a batch of many senders reads their keys with one statement, and the next batch with none',
  async (t) => {
    const { database, context, send } = await start(t, 600_000);
    const ids = Array.from({ length: 50 }, (_, index) => `s-${index}`);
    await insertInstances(database, ...ids);
    await storeSenderKeys(database, ...ids.map((id) => keyOf(id)));
    const { senderKeys } = context;
    const reads: number[] = [];
    const { read } = senderKeys;
    senderKeys.read = (db, names) => {
      reads.push(names.length);
      return read.call(senderKeys, db, names);
    };
    for (const sent of [1, 2]) {
      const outcomes = await send(...ids.map((id) => beat(keyOf(id), sent)));
      t.true(outcomes.every((outcome) => outcome === 'applied'));
    }
    t.deepEqual(reads, [50]);
  },
);

withPostgres('messages are held while keys cannot be read', async (t) => {
  const { database, send } = await start(t);
  await database.query('ALTER TABLE sender_keys RENAME TO away');
  await t.throwsAsync(send(beat()), { message: /sender_keys/ });
  await database.query('ALTER TABLE away RENAME TO sender_keys');
  t.deepEqual(await send(beat()), ['applied']);
});

const call = (sent = seconds()) =>
  signedBy(
    own,
    { method: 'ping', args: {}, message_id: 'm1', reply_to: 'replies', correlation_id: 'c1' },
    { sent },
  );

async function answer(context: Awaited<ReturnType<typeof start>>['context'], body: Buffer) {
  const [opened] = await unsealBatch(context, transport, [raw(body)], { exceptCalls: false });
  if (opened === undefined) throw new Error('no message');
  const { reply, outcome } = await runCall({ state: context, raw: opened, transport, timeout: 5000 });
  return { outcome, name: reply?.name, said: JSON.parse(Buffer.from(reply?.body ?? '{}').toString()) };
}

withPostgres('a call is recognized by the reply address that is signed, and answered there', async (t) => {
  const { context, send } = await start(t);
  t.deepEqual(await send(call()), ['call']);
  const { outcome, name, said } = await answer(context, call());
  t.deepEqual({ outcome, name }, { outcome: 'answered', name: 'replies' });
  t.like(said, { correlation_id: 'c1', result: { pong: true } });
});

withPostgres('a reply address that nobody has signed makes no call', async (t) => {
  const { context } = await start(t);
  const message = raw(signedBy(own, { method: 'ping', args: {} }), { isCall: true });
  t.deepEqual(await apply(context, [message], transport), ['dead: not_a_cast']);
});

withPostgres('a captured call is refused after five minutes', async (t) => {
  const { context } = await start(t);
  const { outcome, said } = await answer(context, call(seconds() - 301));
  t.is(outcome, 'dead');
  t.is(said.error.class, 'Forbidden');
});

withPostgres('a redriven message of any age is verified anew', async (t) => {
  const { database, context, send } = await start(t);
  const old = signedBy(keyOf('i-1', 'late'), heartbeatMessage('i-1'), { sent: seconds() - 80_000 });
  t.deepEqual(await send(old), ['dead: forbidden']);
  t.deepEqual((await redrive(context, database, transport)).outcomes, { dead: 1 });
  await storeSenderKeys(database, keyOf('i-1', 'late'));
  t.deepEqual((await redrive(context, database, transport)).outcomes, { applied: 1 });
});
