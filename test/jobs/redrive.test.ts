import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { pino } from 'pino';
import { markForRedrive } from '../../src/database/dead-letters-change.ts';
import { redriveJob } from '../../src/jobs/redrive.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf } from '../support/worker.ts';

const test = needs(ava, 'mosquitto', 'postgres');

/** One round over the results of these batches; resolves with how many it has asked for. */
async function roundOver(...batches: { isUnfinished?: boolean; nextIn?: number; failedBecause?: string }[]) {
  let asked = 0;
  const job = redriveJob({
    transport: 'edge',
    logger: pino({ level: 'silent' }),
    redrive: async () => {
      const batch = batches[asked];
      asked += 1;
      return { outcomes: { applied: 1 }, isUnfinished: false, nextIn: null, ...batch };
    },
  });
  return { ...(await job.run(new AbortController().signal)), asked };
}

ava(
  'a round goes on while batches are full or letters become due soon, and ends with an error',
  async (t) => {
    t.deepEqual(await roundOver({}), { isUnfinished: false, asked: 1 });
    t.deepEqual(await roundOver({ isUnfinished: true }, { nextIn: 1 }, { nextIn: 60_000 }), {
      isUnfinished: false,
      asked: 3,
    });
    t.deepEqual(await roundOver({ isUnfinished: true }, { failedBecause: 'away', nextIn: 1 }), {
      failedBecause: 'away',
      asked: 2,
    });
  },
);

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
