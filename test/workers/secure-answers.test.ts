import test from 'ava';
import { unsealBatch } from '../../src/workers/batch/unseal.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import type { Manager } from '../../src/workers/methods/contract.ts';
import { createDatabase } from '../support/database.ts';
import { encryptionKey, seal, storeKey } from '../support/secure.ts';
import { needs } from '../support/services.ts';
import { insertInstances, openContext, raw, workerSettings } from '../support/worker.ts';

/** Answers in Trove's secure form are longer than what they hold. */

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

needs(test, 'postgres')('a call whose sealed answer is too large changes nothing', async (t) => {
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
