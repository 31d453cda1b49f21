import ava from 'ava';
import pg from 'pg';
import { ConfigError } from '../../src/core/errors.ts';
import { missingFromSchema } from '../../src/database/schema.ts';
import { needs } from '../support/services.ts';
import { addDuplicates, catalog, contents, emptyDatabase, guards, run, troveDatabase } from './support.ts';

const test = needs(ava, 'postgres');

test('migrate gives an empty database everything that the conductor needs', async (t) => {
  const database = await emptyDatabase(t);
  t.deepEqual(await missingFromSchema(database.query), [
    'table instances',
    'table service_statuses',
    'table backups',
    'table root_enabled_history',
    'table instance_faults',
    'table dead_letters',
    'table deferred',
    'table call_results',
    'table notification_outbox',
    'table status_transitions',
    'table replicas',
    'table sender_keys',
    'table page_snapshots',
  ]);
  t.regex(await run(database), /Creates the tables instances.*The database is ready\.$/s);
  t.deepEqual(await missingFromSchema(database.query), []);
});

test("the tables in an empty database have Trove's names, columns and types", async (t) => {
  const [empty, troves] = [await emptyDatabase(t), await troveDatabase(t)];
  await Promise.all([run(empty), run(troves)]);
  const ours = await catalog(empty);
  const ofTables =
    /^column (instances|service_statuses|backups|root_enabled_history|instance_faults|dead_letters|deferred|call_results|notification_outbox|status_transitions|replicas|sender_keys|page_snapshots)\./;
  const columns = (lines: string[]) => lines.filter((line) => ofTables.test(line));
  t.deepEqual(columns(ours), columns(await catalog(troves)));
  t.true(ours.includes('table service_statuses {fillfactor=60}'));
});

test("migrate only adds to Trove's own database", async (t) => {
  const database = await troveDatabase(t);
  const before = await catalog(database);
  t.deepEqual(await missingFromSchema(database.query), [
    'column service_statuses.sent',
    'column backups.sent',
    'table dead_letters',
    'table deferred',
    'table call_results',
    'table notification_outbox',
    'table status_transitions',
    'table replicas',
    'table sender_keys',
    'table page_snapshots',
    'trigger conductor_keep_sent on service_statuses',
    'trigger conductor_keep_sent on backups',
    'trigger conductor_record_status on service_statuses',
    'trigger conductor_record_new_status on service_statuses',
    'unique index on service_statuses (instance_id)',
  ]);
  await run(database);
  t.deepEqual(await missingFromSchema(database.query), []);
  const after = await catalog(database);
  t.deepEqual(
    before.filter((line) => !after.includes(line)),
    ['table service_statuses '],
  );
});

test("guards start with the times that Trove's conductor has stored", async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  const never = Number.NEGATIVE_INFINITY;
  t.deepEqual(await guards(database, 'service_statuses'), {
    's-1': 1767348000.25,
    's-2': 1767348002,
    's-3': never,
  });
  // Trove's guard is per instance. On a running backup it would hold back messages that were sent before those of another.
  t.deepEqual(await guards(database, 'backups'), {
    'b-ended': 1767348001.5,
    'b-running': never,
    'b-other': never,
    'b-late': never,
    'b-orphan': never,
  });
});

test('duplicate statuses are reported, and nothing is changed', async (t) => {
  const database = await troveDatabase(t);
  await addDuplicates(database);
  const before = await catalog(database);
  const error = await t.throwsAsync(run(database), { instanceOf: ConfigError });
  t.regex(error.message, /rows too many: 3\): i-1, i-2\. .*--remove-duplicates/);
  t.deepEqual(await catalog(database), before);
});

test('the report of duplicates is bounded', async (t) => {
  const database = await troveDatabase(t);
  await database.query(
    `INSERT INTO service_statuses (id, instance_id, status_id, status_description)
     SELECT gen_random_uuid(), 'many-' || n / 2, 1, 'running' FROM generate_series(0, 999) AS n`,
  );
  const error = await t.throwsAsync(run(database), { instanceOf: ConfigError });
  t.regex(error.message, /\(instances: 500, rows too many: 500\).* and 480 more\./);
  t.true(error.message.length < 1000);
});

test('a trigger whose function is older than the conductor is named', async (t) => {
  const database = await emptyDatabase(t);
  await run(database);
  const [{ definition = '' } = {}] = await database.query<{ definition: string }>(
    "SELECT pg_get_functiondef('conductor_record_status'::regproc) AS definition",
  );
  await database.query(definition.replaceAll('conductor.publish', 'conductor.nothing'));
  t.deepEqual(await missingFromSchema(database.query), [
    'conductor.publish in the function of trigger conductor_record_status on service_statuses',
    'conductor.publish in the function of trigger conductor_record_new_status on service_statuses',
  ]);
});

test('--remove-duplicates removes all duplicates except the newest', async (t) => {
  const database = await troveDatabase(t);
  await addDuplicates(database);
  t.regex(await run(database, { removeDuplicates: true }), /i-1, i-2 \(rows: 3\)/);
  t.deepEqual(Object.keys(await guards(database, 'service_statuses')).sort(), ['s-1-newer', 's-2', 's-3']);
  t.deepEqual(await missingFromSchema(database.query), []);
});

test('an invalid index from an earlier attempt is replaced', async (t) => {
  const database = await troveDatabase(t);
  await addDuplicates(database);
  const build =
    'CREATE UNIQUE INDEX CONCURRENTLY service_statuses_instance_id_unique ON service_statuses (instance_id)';
  await t.throwsAsync(database.query(build), { code: '23505' });
  t.true((await catalog(database)).some((line) => /service_statuses_instance_id_unique.* f$/.test(line)));
  await run(database, { removeDuplicates: true });
  t.true((await catalog(database)).some((line) => /service_statuses_instance_id_unique.* t$/.test(line)));
});

test("a unique index of the operator's own is accepted", async (t) => {
  const database = await troveDatabase(t);
  await database.query('ALTER TABLE service_statuses ADD CONSTRAINT theirs UNIQUE (instance_id)');
  t.notRegex(await run(database), /Builds a unique index/);
  t.deepEqual(await missingFromSchema(database.query), []);
});

test('a dry run changes nothing', async (t) => {
  for (const database of [await emptyDatabase(t), await troveDatabase(t)]) {
    const before = await catalog(database);
    const told = await run(database, { dryRun: true });
    t.regex(told, /^This would be done.*Creates the tables dead_letters.*Builds a unique index/s);
    t.deepEqual(await catalog(database), before);
  }
});

test('a dry run reports that duplicates prevent the migration', async (t) => {
  const database = await troveDatabase(t);
  await addDuplicates(database);
  const before = await contents(database, ['service_statuses', 'backups', 'conductor_lastseen']);
  await t.throwsAsync(run(database, { dryRun: true }), { instanceOf: ConfigError });
  t.regex(await run(database, { dryRun: true, removeDuplicates: true }), /Deletes all but the newest/);
  t.deepEqual(await contents(database, ['service_statuses', 'backups', 'conductor_lastseen']), before);
});

test('a second migration changes nothing', async (t) => {
  const database = await troveDatabase(t);
  await run(database);
  const before = await catalog(database);
  t.is(await run(database), 'The database is up to date.');
  t.is(await run(database, { dryRun: true }), 'The database is up to date.');
  t.deepEqual(await catalog(database), before);
});

test('four concurrent migrations take turns', async (t) => {
  for (const database of [await troveDatabase(t), await emptyDatabase(t)]) {
    const told = await Promise.all([1, 2, 3, 4].map(() => run(database)));
    t.is(told.filter((lines) => lines.endsWith('The database is ready.')).length, 1);
    t.is(told.filter((lines) => lines.endsWith('The database is up to date.')).length, 3);
    t.deepEqual(await missingFromSchema(database.query), []);
  }
});

test('times are UTC in any time zone of the server', async (t) => {
  const database = await emptyDatabase(t);
  await database.query(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''America/New_York''', current_database()); END $$`,
  );
  await run(database);
  const client = new pg.Client(database.url);
  await client.connect();
  t.teardown(() => client.end());
  const { rows } = await client.query(
    `SELECT current_setting('TimeZone') AS zone,
            bool_and(now() AT TIME ZONE 'utc' - run_on BETWEEN '0' AND '1 minute') AS utc FROM conductor_migrations`,
  );
  t.deepEqual(rows, [{ zone: 'America/New_York', utc: true }]);
  const zoned = (await catalog(database)).filter((line) => line.includes('with time zone'));
  t.deepEqual(
    zoned.map((line) => line.split(' ')[1]),
    [
      'call_results.called_at',
      'dead_letters.died_at',
      'dead_letters.edited_at',
      'dead_letters.redrive_at',
      'dead_letters.redriven_at',
      'deferred.failing_since',
      'deferred.first_deferred_at',
      'deferred.next_attempt_at',
      'notification_outbox.created_at',
      'notification_outbox.next_attempt_at',
      'page_snapshots.begun_at',
      'page_snapshots.claimed_until',
      'page_snapshots.taken_at',
      'replicas.claimed_until',
      'replicas.seen_at',
      'replicas.started_at',
      'sender_keys.changed_at',
      'sender_keys.created_at',
      'sender_keys.not_after',
      'sender_keys.revoked_at',
      'status_transitions.changed_at',
    ],
  );
});
