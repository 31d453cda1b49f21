import test from 'ava';
import pg from 'pg';
import { spawnConductor } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { startPgbouncer } from '../support/pgbouncer.ts';
import { needs, service } from '../support/services.ts';
import { openMosquitto } from './brokers.ts';
import { lockWith } from './databases.ts';
import { Fleet } from './fleet.ts';

const instances = 200;
const messages = 2000;

/** Session settings that a pooler's next client would find, had somebody left them. */
const settings = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'synchronous_commit',
  'default_transaction_isolation',
  'tcp_keepalives_idle',
  'tcp_user_timeout',
  'TimeZone',
];

const doneWithout = /the pooler in front of Postgres does not keep prepared statements/g;

for (const preparedStatements of [false, true]) {
  needs(
    test.serial,
    'mosquitto',
    'postgres',
    'pgbouncer',
  )(
    `PgBouncer in transaction mode, preparedStatements: ${preparedStatements}: a locked row and a restart of PgBouncer lose nothing, and no message is left over`,
    async (t) => {
      const postgres = service('postgres');
      const database = await createDatabase(t, { migrated: true });
      const pooler = await startPgbouncer({ program: service('pgbouncer').program, postgres });
      t.teardown(pooler.stop);
      const url = pooler.url(database.url);
      const fleet = new Fleet(instances);
      await fleet.register(database);
      const broker = openMosquitto(service('mosquitto'));
      const conductor = spawnConductor(t, {
        database: url,
        transports: { guests: broker.entry() },
        settings: { database: { preparedStatements }, workers: { threads: 2, concurrency: 3 } },
      });
      await conductor.log.line('consuming');
      const before = await sessionsOf(database.url);

      await broker.publish(fleet.heartbeats(instances, broker.form));
      await fleet.arrives(database, conductor);
      const [locked = ''] = fleet.instances;
      const row = await lockWith(
        t,
        database,
        'SELECT FROM service_statuses WHERE instance_id = $1 FOR UPDATE',
        [locked],
      );
      await broker.publish(fleet.heartbeats(messages / 2, broker.form));
      await fleet.arrives(database, conductor, [locked]);

      await Promise.all([pooler.restart(), broker.publish(fleet.heartbeats(messages / 2, broker.form))]);
      await fleet.arrives(database, conductor, [locked]);
      await row.release();
      await fleet.arrives(database, conductor);
      t.deepEqual(await sessionsOf(url), before);

      conductor.signal('SIGTERM');
      t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
      await fleet.assertArrived(t, database);
      const warnings = conductor.output().match(doneWithout) ?? [];
      t.is(warnings.length, preparedStatements ? 1 : 0, conductor.output());
    },
  );
}

/** The settings that several clients at once find; one answer, if it is the same for all. */
async function sessionsOf(url: string): Promise<unknown> {
  const clients = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      return client;
    }),
  );
  try {
    // At once, so that they share none of the pooler's connections.
    const text = `SELECT ${settings.map((name) => `current_setting('${name}') AS "${name}"`)}, pg_sleep(0.1)::text`;
    const answers = await Promise.all(clients.map(async (client) => (await client.query(text)).rows[0]));
    const different = new Set(answers.map((answer) => JSON.stringify(answer)));
    return [...different];
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}
