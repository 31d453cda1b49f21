import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { markForRedrive } from '../../src/database/dead-letters-change.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf } from '../support/worker.ts';

const test = needs(ava, 'mosquitto', 'postgres');

test('a replica redrives the letters of its transport that are due, and leaves the others', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'edge', 'elsewhere', 'later');
  await database.query(`
    INSERT INTO dead_letters (transport, reason, sender, sender_proof, body, body_size, body_digest)
    SELECT CASE instance WHEN 'later' THEN 'edge' ELSE instance END, 'refused', instance, 'subject', body, octet_length(body), ''
    FROM (SELECT instance, convert_to(json_build_object('method', 'heartbeat', 'args',
        json_build_object('instance_id', instance, 'sent', 5, 'payload', json_build_object('service_status', 'running')))::text, 'UTF8') AS body
      FROM unnest(ARRAY['edge', 'elsewhere', 'later']) AS instance) AS made`);
  const request = { by: 'ann@here', rate: undefined, limit: 10 };
  await markForRedrive(database.query, {}, request, () => {});
  await database.query(
    "UPDATE dead_letters SET redrive_at = now() + interval '1 hour' WHERE sender = 'later'",
  );
  const { url } = service('mosquitto');
  const name = `jobs-${randomUUID()}`;
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: {
      edge: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name, auth: { mode: 'subject' } },
    },
  });
  t.like(await conductor.log.line('redrove dead letters'), { transport: 'edge', applied: 1 });
  t.like(await statusOf(database, 'edge'), { status_description: 'running', sent: 5 });
  await waitFor(() => conductor.jobs.lastSuccess('redrive/edge'), { what: 'the job to succeed' });
  t.deepEqual(await database.query('SELECT sender, redrive_outcome FROM dead_letters ORDER BY id'), [
    { sender: 'edge', redrive_outcome: 'applied' },
    { sender: 'elsewhere', redrive_outcome: null },
    { sender: 'later', redrive_outcome: null },
  ]);
});
