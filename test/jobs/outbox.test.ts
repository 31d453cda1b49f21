import { createHash, randomUUID } from 'node:crypto';
import ava from 'ava';
import mqtt from 'mqtt';
import type { DeadNotice } from '../../src/core/message/outcome.ts';
import { boundOutboxJob } from '../../src/jobs/outbox.ts';
import { expireNotifications } from '../../src/jobs/sql/expire-notifications.ts';
import { trimOldest } from '../../src/jobs/sql/trim-oldest.ts';
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
      redact: [],
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

test('a notification that was not published keeps what deadLetters.redact lets it keep', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const bodies = {
    none: '{"event":"end","payload":{"flavor":1}}',
    named: '{"event":"end","payload":{"password":"secret","flavor":1}}',
    oslo: JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': '{"payload":{"password":"secret"}}' }),
    unreadable: 'abc secret',
  };
  await database.query(
    `INSERT INTO notification_outbox (transport, topic, message_id, body, created_at)
     SELECT 'gone', 'events', id, convert_to(body, 'utf8'), '-infinity' FROM unnest($1::text[], $2::text[]) AS input(id, body)`,
    [Object.keys(bodies), Object.values(bodies)],
  );
  const bounds = { maxRows: 10, maxAge: hour, redact: ['password'], onDead: () => {} };
  await boundOutboxJob({ database: jobsDatabaseOf(openContext(t, database)), ...bounds }).run(
    new AbortController().signal,
  );
  const letters = await database.query(
    "SELECT message_id AS id, convert_from(body, 'utf8') AS body, body_size AS size, redacted FROM dead_letters ORDER BY dead_letters.id",
  );
  const sizes = Object.fromEntries(Object.entries(bodies).map(([id, body]) => [id, body.length]));
  t.deepEqual(letters, [
    { id: 'none', body: bodies.none, size: sizes.none, redacted: false },
    {
      id: 'named',
      body: '{"event":"end","payload":{"password":"[redacted]","flavor":1}}',
      size: sizes.named,
      redacted: true,
    },
    { id: 'oslo', body: bodies.oslo.replace('secret', '[redacted]'), size: sizes.oslo, redacted: true },
    { id: 'unreadable', body: null, size: sizes.unreadable, redacted: true },
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
    redact: [],
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

test('a job that looks for what is to go locks nothing that stays: a publisher would skip it, and publish it once more', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query(`
    INSERT INTO notification_outbox (transport, topic, message_id, body, created_at)
    SELECT 'guests', 'events', n::text, '', now() - CASE WHEN n = 1 THEN interval '2 hours' ELSE '0' END FROM generate_series(1, 3) AS n;
    INSERT INTO status_transitions (instance_id, new_status, sent, cause, changed_at)
    SELECT n::text, 'running', 0, 'other', now() - CASE WHEN n = 1 THEN interval '2 hours' ELSE '0' END FROM generate_series(1, 3) AS n;
    INSERT INTO call_results (principal, message_id, call_digest, called_at)
    SELECT 'a', n::text, '', now() - CASE WHEN n = 1 THEN interval '2 hours' ELSE '0' END FROM generate_series(1, 3) AS n`);
  const free = async (table: string) => {
    const rows = await database.query<{ id: string }>(`SELECT id::text FROM ${table} FOR UPDATE SKIP LOCKED`);
    return rows.map(({ id }) => id);
  };
  await jobsDatabaseOf(openContext(t, database)).transaction(async (db) => {
    t.is((await expireNotifications(db, { maxRows: 10, maxAge: hour, redact: [] })).length, 1);
    t.is(await trimOldest(db, 'status_transitions', hour, 10), 1);
    t.is(await trimOldest(db, 'call_results', hour, 10), 1);
    for (const table of ['notification_outbox', 'status_transitions', 'call_results'])
      t.deepEqual(await free(table), ['2', '3'], table);
  });
});
