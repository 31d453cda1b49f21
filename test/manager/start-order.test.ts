import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { configuration, run } from '../command-line/support.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';

/** Nothing is read, claimed or written before all that it takes is there. */

const count = 40;

/** Deferred messages that are due, of the method of a deployer's own among them. */
async function defer(database: TestDatabase, transport: string): Promise<void> {
  await database.query(
    `INSERT INTO deferred (method, key, instance_id, transport, args, sent, reason, next_attempt_at)
     SELECT CASE n % 2 WHEN 0 THEN 'heartbeat' ELSE 'mine' END, 'i-' || n, 'i-' || n, $2,
       jsonb_build_object('instance_id', 'i-' || n, 'sent', 1, 'payload', jsonb_build_object('service_status', 'running')),
       1, 'unknown', now() - interval '1 minute'
     FROM generate_series(1, $1::integer) AS n`,
    [count, transport],
  );
}

const untouched = (database: TestDatabase) =>
  database.query(
    `SELECT count(*)::integer AS deferred, max(attempts) AS attempts,
       (SELECT count(*)::integer FROM dead_letters) AS dead FROM deferred`,
  );

for (const [what, text] of [
  ['has a syntax error', 'export default {'],
  ['throws', 'throw new Error("no such luck");'],
  [
    'has a method without `mutating`',
    'export default { mine: { allowed: "anyone", parse() {}, run() {} } };',
  ],
] as const) {
  needs(test, 'postgres')(
    `a manager that ${what} ends the start, and no deferred message is changed`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      await defer(database, 'rabbit');
      const file = configuration(
        `database: { url: "${database.url}" }`,
        'transports: { rabbit: { kind: amqp091, url: "amqp://127.0.0.1:1" } }',
        'manager: ./methods.ts',
        'deferred: { interval: 10, firstDelay: 10, maxDelay: 10 }',
      );
      writeFileSync(join(file, '..', 'methods.ts'), text);
      const { code, errors } = await run(t, ['start', '--config', file], { CONDUCTOR_LOG__LEVEL: 'fatal' });
      t.is(code, 2, errors.join('\n'));
      t.regex(errors[0] ?? '', /^conductor: manager: /);
      t.deepEqual(await untouched(database), [{ deferred: count, attempts: 1, dead: 0 }]);
    },
  );
}

needs(
  test,
  'mosquitto',
  'postgres',
)('deferred messages are retried once the methods are loaded and the brokers have been tried', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const name = `start-${randomUUID()}`;
  await defer(database, 'edge');
  await database.query("DELETE FROM deferred WHERE method = 'mine'");
  await insertInstances(database, ...Array.from({ length: count }, (_, n) => `i-${n + 1}`));
  const { log } = await startConductorHere(t, {
    database: database.url,
    transports: {
      edge: { kind: 'mqtt', url: service('mosquitto').url, topic: `${name}/+`, group: name, clientId: name },
    },
  });
  await waitFor(async () => (await database.query('SELECT FROM deferred')).length === 0, {
    what: 'the deferred messages to be applied',
  });
  t.like(await log.line('retried deferred messages'), { retried: count / 2, resolved: count / 2 });
});
