import ava from 'ava';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances, openContext } from '../support/worker.ts';

const test = needs(ava, 'postgres');

async function outbox(database: TestDatabase) {
  const rows = await database.query<{ topic: string; message_id: string; instance_id: string; body: Buffer }>(
    "SELECT topic, message_id, instance_id, body FROM notification_outbox WHERE transport = 'plain' ORDER BY id",
  );
  return rows.map((row) => ({ ...row, body: JSON.parse(row.body.toString()) }));
}

test('a change of status puts a notification into the outbox, and a heartbeat without a change does not', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  // A quote, a backslash and a letter beyond ASCII.
  const topic = "the guests' \\ Gäste";
  const publishTransitions = JSON.stringify({ transport: 'plain', topic });
  const context = openContext(t, database, { database: { publishTransitions } });
  await insertInstances(database, 'i1', 'i2');
  await apply(context, [heartbeat('i1', 1, 'building')]);
  await apply(context, [heartbeat('i1', 2, 'building')]);
  await apply(context, [heartbeat('i1', 3, 'running'), heartbeat('i1', 4)]);
  // Another change by the replica, such as a call's.
  await jobsDatabaseOf(context).transaction((db) =>
    db.query(
      '',
      "INSERT INTO service_statuses (id, instance_id, status_id, status_description) VALUES ('s', 'i2', 1, 'running')",
      [],
    ),
  );
  const rows = await outbox(database);
  const ofFirst = rows.filter((row) => row.instance_id === 'i1');
  t.like(ofFirst, [
    {
      topic,
      body: {
        event: 'instance.status',
        instance_id: 'i1',
        old_status: null,
        new_status: 'building',
        sent: 1,
      },
    },
    { topic, body: { old_status: 'building', new_status: 'running', sent: 3, cause: 'heartbeat' } },
  ]);
  for (const { message_id, body } of rows) {
    t.is(body.message_id, message_id);
    t.regex(body.changed_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    t.true(Math.abs(Date.parse(body.changed_at) - Date.now()) < 60_000);
  }
  t.is(new Set(rows.map(({ message_id }) => message_id)).size, 3);
  t.like(rows.find((row) => row.instance_id === 'i2')?.body, { sent: null, cause: 'other' });
});

test('with a publisher the notification of a change has the form of oslo.messaging', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const setting = { transport: 'plain', topic: 'status.info', publisher: 'conductor.host' };
  const context = openContext(t, database, {
    database: { publishTransitions: JSON.stringify(setting) },
  });
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 1, 'running')]);
  const [row] = await outbox(database);
  t.is(row?.body['oslo.version'], '2.0');
  const message = JSON.parse(row?.body['oslo.message']);
  t.like(message, {
    message_id: row?.message_id,
    publisher_id: 'conductor.host',
    event_type: 'conductor.instance.status',
    priority: 'INFO',
    _unique_id: row?.message_id.replaceAll('-', ''),
  });
  t.like(message.payload, { instance_id: 'i1', old_status: null, new_status: 'running', cause: 'heartbeat' });
});

test('without the setting no change of status is published', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  await apply(context, [heartbeat('i1', 1, 'building')]);
  await apply(context, [heartbeat('i1', 2, 'running')]);
  t.deepEqual(await outbox(database), []);
  t.is((await database.query('SELECT FROM status_transitions')).length, 2);
});
