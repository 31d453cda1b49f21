import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import test, { type ExecutionContext } from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { encryptionKey, seal, storeKey } from '../support/secure.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf } from '../support/worker.ts';

/** Trove's secure form through a whole conductor, where something is not as it should be. */

const rabbitTest = needs(test, 'rabbitmq', 'postgres');

async function start(t: ExecutionContext) {
  const rabbitmq = service('rabbitmq');
  const vhost = `secure-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  const database = await createDatabase(t, { migrated: true });
  const auth = { mode: 'trove', instRpcKeyEncrKey: encryptionKey };
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: { rabbit: { kind: 'amqp091', url, codec: 'oslo', auth } },
  });
  const connection = await connect(url);
  t.teardown(() => connection.close());
  const channel = await connection.createChannel();
  return {
    database,
    conductor,
    heartbeat(instance: string, key: string) {
      const args = { instance_id: instance, sent: 1, payload: { service_status: 'running' } };
      channel.publish('trove', 'trove-conductor', Buffer.from(seal('heartbeat', args, { instance, key })));
    },
  };
}

rabbitTest('secure messages are held while keys cannot be read, and applied later', async (t) => {
  const { database, conductor, heartbeat } = await start(t);
  const instance = randomUUID();
  await insertInstances(database, instance);
  await storeKey(database, instance, 'a-key');
  await database.query('ALTER TABLE instances RENAME COLUMN encrypted_key TO away');
  heartbeat(instance, 'a-key');
  const { because } = await conductor.log.line('messages are held, nothing is lost');
  t.regex(String(because), /encrypted_key/);
  await database.query('ALTER TABLE instances RENAME COLUMN away TO encrypted_key');
  await waitFor(() => statusOf(database, instance), { what: 'the heartbeat' });
  t.deepEqual(await database.query('SELECT FROM dead_letters'), []);
});

rabbitTest(
  'a secure heartbeat that arrives before its instance is made is applied once it is made',
  async (t) => {
    const { database, conductor, heartbeat } = await start(t);
    const instance = randomUUID();
    heartbeat(instance, 'a-key');
    await waitFor(() => conductor.counters.get('rabbit')?.outcomes.deferred === 1, {
      what: 'it to be deferred',
    });
    await insertInstances(database, instance);
    await storeKey(database, instance, 'a-key');
    const row = await waitFor(() => statusOf(database, instance), { what: 'the heartbeat' });
    t.like(row, { status_description: 'running', sent: 1 });
    await waitFor(async () => (await database.query('SELECT FROM deferred')).length === 0, {
      what: 'nothing to wait any more',
    });
  },
);
