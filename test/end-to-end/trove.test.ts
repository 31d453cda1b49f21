import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import test, { type ExecutionContext } from 'ava';
import { runConductor } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs, onlyIf, service } from '../support/services.ts';
import { hasTrove, startPython, withoutTrove } from '../support/trove.ts';
import { waitFor } from '../support/wait.ts';
import { insertBackup, insertInstances, statusOf } from '../support/worker.ts';

/** The conductor in the place of Trove's, as config/amqp091.yaml sets it up, with the addresses from the environment. */

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

async function startInTrovesPlace(t: ExecutionContext): Promise<{ database: TestDatabase; url: string }> {
  const rabbitmq = service('rabbitmq');
  const vhost = `trove-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  const database = await createDatabase(t, { migrated: true });
  const conductor = runConductor(t, ['start', '--config', path('../../config/amqp091.yaml')], {
    CONDUCTOR_DATABASE__URL: database.url,
    CONDUCTOR_TRANSPORTS__RABBIT__URL: url,
  });
  await conductor.log.line('consuming');
  return { database, url };
}

/** A queue's messages as they were captured on a RabbitMQ between Trove 18's guests and its conductor. */
interface Vectors {
  readonly plain: ReadonlyArray<{
    readonly exchange: string;
    readonly routing_key: string;
    readonly body: string;
  }>;
}

needs(test, 'rabbitmq')('messages captured from Trove have the same effect as in Trove', async (t) => {
  const { database, url } = await startInTrovesPlace(t);
  const vectors: Vectors = JSON.parse(readFileSync(path('../fixtures/trove-18-oslo-14.json'), 'utf8'));
  const [instance, backup] = ['9ce88802-f075-91e5-ce04-57ef51ece021', '5b7ce4e4-6d9c-4dbd-a2b2-5b2f9d8d2c11'];
  await insertInstances(database, instance);
  await insertBackup(database, backup, instance);

  const connection = await connect(url);
  t.teardown(() => connection.close());
  const channel = await connection.createConfirmChannel();
  for (const { exchange, routing_key, body } of vectors.plain)
    channel.publish(exchange, routing_key, Buffer.from(body));
  await channel.waitForConfirms();

  // They may come in several batches.
  const some = (text: string) =>
    waitFor(
      async () => {
        const rows = await database.query(text);
        return rows.length > 0 && rows;
      },
      { what: text },
    );
  const row = await waitFor(() => statusOf(database, instance), { what: 'the heartbeat' });
  t.like(row, { status_id: 1, status_description: 'running', sent: 1795397690.635314 });
  const [stored] = await some(
    "SELECT state, size, checksum, location, backup_type, sent FROM backups WHERE state <> 'NEW'",
  );
  t.deepEqual(stored, {
    state: 'COMPLETED',
    size: 0.14,
    checksum: 'd41d8cd98f00b204e9800998ecf8427e',
    location: 'http://swift.example/v1/AUTH_t1/database_backups/5b7ce4e4.xbstream.gz.enc',
    backup_type: 'full',
    sent: 1795397691.25,
  });
  const [fault] = await some('SELECT instance_id, message, details FROM instance_faults');
  t.deepEqual(fault, {
    instance_id: instance,
    message: 'Failed to create database',
    details: 'Server type: guest\nTraceback (most recent call last):\nValueError: boom\n',
  });
  t.deepEqual(await some('SELECT id, "user" FROM root_enabled_history'), [{ id: instance, user: 'u1' }]);
  t.deepEqual(await database.query('SELECT FROM dead_letters'), []);
});

/** The id of the guest's instance number g; as in fixtures/trove_guest.py. */
function instanceId(g: number): string {
  const hex = createHash('md5').update(`i${g}`).digest('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

const asGuest = hasTrove ? needs(test, 'rabbitmq') : onlyIf(test, false, withoutTrove);

asGuest('every heartbeat of a real Trove guest is in service_statuses', async (t) => {
  const { database, url } = await startInTrovesPlace(t);
  const [count, size] = [500, 50];
  const ids = Array.from({ length: size }, (_, index) => instanceId(index + 1));
  await insertInstances(database, ...ids);
  const guest = startPython('trove_guest.py', url, String(count), String(size));
  t.is((await guest.exited).code, 0, guest.output());
  t.regex(guest.stdout(), /cast 500 heartbeats/);

  // The guest's last round: heartbeat number k is about instance k % size + 1, and healthy if k is divisible by 3.
  const expected = ids.map((_, index) => ((count - size + index) % 3 === 0 ? 'healthy' : 'running'));
  const stored = async () => Promise.all(ids.map((id) => statusOf(database, id)));
  await waitFor(
    async () =>
      JSON.stringify((await stored()).map((row) => row?.status_description)) === JSON.stringify(expected),
    { what: "every instance's newest status", timeout: 30_000 },
  );
  for (const row of await stored()) t.is(row?.status_id, row?.status_description === 'healthy' ? 0x21 : 0x01);
  t.is((await database.query('SELECT FROM dead_letters')).length, 0);
  t.is((await database.query('SELECT FROM deferred')).length, 0);
});
