import test from 'ava';
import { isObject } from '../../src/core/json.ts';
import { cipherKeyOf, decrypt } from '../../src/core/message/codecs/trove-secure.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { unsealBatch } from '../../src/workers/batch/unseal.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import type { Manager } from '../../src/workers/methods/contract.ts';
import { createDatabase } from '../support/database.ts';
import { encryptionKey, seal, storeKey } from '../support/secure.ts';
import { needs } from '../support/services.ts';
import { insertInstances, openContext, raw, workerSettings } from '../support/worker.ts';
import { own, start } from './secure-support.ts';

/** Answers in Trove's secure form. */

const withPostgres = needs(test, 'postgres');

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

/** A sealed answer is longer than its content. */
const tell: Manager = {
  tell: {
    allowed: 'anyone',
    mutating: true,
    parse: () => undefined,
    async run(db) {
      await db.query('rename', "UPDATE instances SET name = 'changed' RETURNING id", []);
      return 'x'.repeat(700);
    },
  },
};

withPostgres('a call whose sealed answer is too large changes nothing', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i-1');
  await storeKey(database, 'i-1', 'key-1');
  const { calls } = workerSettings(database.url);
  const opened = openContext(t, database, {
    transports: { oslo: { codec: 'oslo', auth: 'trove', instRpcKeyEncrKey: encryptionKey } },
    calls: { ...calls, maxReply: 1000 },
  });
  const context = { ...opened, manager: tell };
  const more = { _msg_id: 'm-1', _reply_q: 'replies' };
  const body = seal('tell', {}, { instance: 'i-1', key: 'key-1', more });
  const [rawMessage] = await unsealBatch(context, 'oslo', [raw(body)], { exceptCalls: false });
  if (rawMessage === undefined) throw new Error('no message');
  const { outcome } = await runCall({ state: context, raw: rawMessage, transport: 'oslo', timeout: 5000 });
  t.is(outcome, 'refused');
  t.deepEqual(await database.query('SELECT name FROM instances'), [{ name: 'i-1' }]);
});
