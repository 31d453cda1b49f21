import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import test from 'ava';
import { osloBody } from '../../src/core/message/codecs/oslo.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { service } from '../support/services.ts';
import { shared } from '../support/shared.ts';
import { waitFor } from '../support/wait.ts';
import { insertBackup, insertInstances } from '../support/worker.ts';

/** One replica on RabbitMQ for all tests of trove-behaviour.test.ts, which speaks oslo's form. */

const replica = shared(test, async (owner) => {
  const rabbitmq = service('rabbitmq');
  const vhost = `behaviour-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  owner.teardown(() => rabbitmq.deleteVhost(vhost));
  const database = await createDatabase(owner, { migrated: true });
  const conductor = await startConductorHere(owner, {
    database: database.url,
    transports: { rabbit: { kind: 'amqp091', url, codec: 'oslo' } },
    settings: { deferred: { interval: 50, firstDelay: 50, maxDelay: 100 } },
  });
  const account = conductor.counters.get('rabbit');
  if (account === undefined) throw new Error('no account');
  const connection = await connect(url);
  owner.teardown(() => connection.close());
  return { database, account, channel: await connection.createConfirmChannel() };
});

/** What a test has of its own: a known instance, another one, a backup of the first, and casts about them. */
export async function start() {
  const { database, account, channel } = await replica();
  const [instance, other, backup] = [randomUUID(), randomUUID(), randomUUID()];
  await insertInstances(database, instance, other);
  await insertBackup(database, backup, instance);

  /** Casts one message and waits until it is done with; resolves with what became of it. */
  const cast = async (method: string, args: object) => {
    const before = { ...account.outcomes };
    const message = { method, args, version: '1.0', _unique_id: randomUUID(), _context_user: 'u1' };
    channel.publish('trove', 'trove-conductor', Buffer.from(osloBody(message)));
    return waitFor(
      () => Object.entries(account.outcomes).find(([kind, n]) => n > Number(Reflect.get(before, kind)))?.[0],
      { what: `${method} to be done with` },
    );
  };
  return {
    database,
    instance,
    other,
    backup,
    cast,
    heartbeat: (service_status: string | undefined, sent: number | undefined, instance_id = instance) =>
      cast('heartbeat', { instance_id, sent, payload: { service_status } }),
    update: (fields: object, sent: number, ids: { instance?: string; backup?: string } = {}) =>
      cast('update_backup', {
        instance_id: ids.instance ?? instance,
        backup_id: ids.backup ?? backup,
        sent,
        ...fields,
      }),
    backupRow: async () => (await database.query('SELECT * FROM backups WHERE id = $1', [backup]))[0],
    letters: (...instances: string[]) =>
      database.query('SELECT reason, detail, instance_id FROM dead_letters WHERE instance_id = ANY($1)', [
        [instance, other, ...instances],
      ]),
  };
}
