import type { ExecutionContext } from 'ava';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { encryptionKey, type SealOptions, seal, storeKey } from '../support/secure.ts';
import { insertInstances, openContext, raw } from '../support/worker.ts';

/** Instances with keys, and messages in Trove's secure form. */

export const transports = {
  oslo: { codec: 'oslo', auth: 'trove', instRpcKeyEncrKey: encryptionKey },
} as const;

/** Two instances with keys of their own. */
export async function start(t: ExecutionContext): Promise<{ database: TestDatabase; context: ThreadState }> {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i-1', 'i-2');
  await storeKey(database, 'i-1', 'key-1');
  await storeKey(database, 'i-2', 'key-2');
  return { database, context: openContext(t, database, { transports }) };
}

export const own: SealOptions = { instance: 'i-1', key: 'key-1' };
export const heartbeatArgs = (instance: string, sent = 1, status = 'running') => ({
  instance_id: instance,
  sent,
  payload: { service_status: status },
});
export const heartbeat = (options: SealOptions = own, sent = 1, status = 'running') =>
  raw(seal('heartbeat', heartbeatArgs(options.instance, sent, status), options));

export const dueNow = (database: TestDatabase) =>
  database.query('UPDATE deferred SET next_attempt_at = now()');
