import { createHash, randomUUID } from 'node:crypto';
import ava from 'ava';
import mqtt from 'mqtt';
import type { DeadNotice } from '../../src/core/message/outcome.ts';
import { boundOutboxJob } from '../../src/jobs/outbox.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { openContext } from '../support/worker.ts';

const test = needs(ava, 'postgres');

/** Milliseconds. */
const hour = 3_600_000;

for (const { limits, kept, detail } of [
  {
    limits: { maxRows: 1000, maxAge: 1.5 * hour },
    kept: ['3', '4'],
    detail: /^it could not be published in time \(outbox\.maxAge\)/,
  },
  {
    limits: { maxRows: 2, maxAge: 100 * hour },
    kept: ['3', '4'],
    detail: /^there are too many notifications \(outbox\.maxRows\)/,
  },
]) {
  test(`notifications beyond ${JSON.stringify(limits)} become dead letters, the oldest first`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await database.query(`
      INSERT INTO notification_outbox (transport, topic, message_id, instance_id, body, created_at, error)
      SELECT 'gone', 'events', 'id ' || n, 'i1', convert_to(n::text, 'utf8'), now() - (4 - n) * interval '1 hour',
        CASE WHEN n = 1 THEN 'nobody is there' END
      FROM generate_series(1, 4) AS n`);
    const dead: DeadNotice[] = [];
    const job = boundOutboxJob({
      database: jobsDatabaseOf(openContext(t, database)),
      ...limits,
      keepsBody: true,
      onDead: (notice) => dead.push(notice),
    });
    t.deepEqual(await job.run(new AbortController().signal), {});
    const rows = await database.query<{ body: Buffer }>('SELECT body FROM notification_outbox ORDER BY id');
    t.deepEqual(
      rows.map(({ body }) => String(body)),
      kept,
    );
    const letters = await database.query(
      `SELECT transport, reason, instance_id, message_id, topic, convert_from(body, 'utf8') AS body, body_size,
         encode(body_digest, 'hex') AS digest FROM dead_letters ORDER BY id`,
    );
    t.deepEqual(
      letters,
      ['1', '2'].map((body) => ({
        transport: 'gone',
        reason: 'unpublished',
        instance_id: 'i1',
        message_id: `id ${body}`,
        topic: 'events',
        body,
        body_size: 1,
        digest: createHash('sha256').update(body).digest('hex'),
      })),
    );
    t.like(dead, [
      { transport: 'gone', reason: 'unpublished', instanceId: 'i1', messageId: 'id 1' },
      { messageId: 'id 2' },
    ]);
    t.regex(dead[0]?.detail ?? '', detail);
    t.regex(dead[0]?.detail ?? '', /; the last try: nobody is there$/);
    t.regex(dead[1]?.detail ?? '', /; it was not tried$/);
  });
}

test('a dead letter keeps no body if values have to be kept out of dead letters', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query(
    "INSERT INTO notification_outbox (transport, topic, message_id, body, created_at) VALUES ('gone', 'events', 'm', 'abc', '-infinity')",
  );
  const bounds = { maxRows: 10, maxAge: hour, keepsBody: false, onDead: () => {} };
  await boundOutboxJob({ database: jobsDatabaseOf(openContext(t, database)), ...bounds }).run(
    new AbortController().signal,
  );
  t.deepEqual(await database.query('SELECT body, body_size, redacted FROM dead_letters'), [
    { body: null, body_size: 3, redacted: true },
  ]);
});

test('thousands of notifications that are too old become dead letters in one round, in steps', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query(`
    INSERT INTO notification_outbox (transport, topic, message_id, body, created_at)
    SELECT 'gone', 'events', n, '', now() - interval '2 hours' FROM generate_series(1, 2600) AS n`);
  let count = 0;
  const job = boundOutboxJob({
    database: jobsDatabaseOf(openContext(t, database)),
    maxRows: 10_000,
    maxAge: hour,
    keepsBody: true,
    onDead: () => {
      count += 1;
    },
  });
  t.deepEqual(await job.run(new AbortController().signal), {});
  t.is(count, 2600);
  t.deepEqual(await database.query('SELECT FROM notification_outbox'), []);
});

needs(
  ava,
  'mosquitto',
  'postgres',
)('a replica publishes what a lost replica has left, and only on a transport that it has', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const name = `outbox-${randomUUID()}`;
  await database.query(
    `INSERT INTO notification_outbox (transport, topic, message_id, instance_id, body, next_attempt_at)
     SELECT transport, $1, transport, 'i1', 'x', now() + interval '3 seconds'
     FROM unnest(ARRAY['edge', 'elsewhere']) AS transport`,
    [name],
  );
  const { url } = service('mosquitto');
  const heard: string[] = [];
  const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
  t.teardown(() => client.endAsync());
  client.on('message', (_topic, _body, { properties }) =>
    heard.push(String(properties?.userProperties?.['message-id'])),
  );
  await client.subscribeAsync(name, { qos: 1 });
  await startConductorHere(t, {
    database: database.url,
    transports: { edge: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name } },
  });
  await waitFor(() => heard.length > 0, { what: 'the notification', timeout: 30_000 });
  t.deepEqual(heard, ['edge']);
  await waitFor(async () => (await database.query('SELECT FROM notification_outbox')).length === 1, {
    what: 'its row to be deleted',
  });
});
