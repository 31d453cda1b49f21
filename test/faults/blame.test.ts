import ava from 'ava';
import { slowness } from '../support/cpu.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { maintain } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import {
  apply,
  backup,
  heartbeat,
  insertBackup,
  insertInstances,
  openContext,
  statusOf,
} from '../support/worker.ts';

const test = needs(ava, 'postgres');

const size = 1000;
const ids = Array.from({ length: size }, (_, index) => `i${index}`);
/** Where each of them is written many times. */
const few = ids.slice(0, 200);
/** Milliseconds in which the others are applied, whatever the database says of one. */
const patience = 2000;

/** One SQLSTATE of each class that Postgres can raise (PostgreSQL manual, appendix A). */
const sqlstates = [
  ...['08006', '09000', '0A000', '0B000', '0F000', '0L000', '0P000', '0Z000', '20000', '21000'],
  ...['22000', '22001', '22003', '22021', '22P02', '22P05', '23000', '23502', '23503', '23505', '23514'],
  ...['24000', '25000', '25006', '25P02', '26000', '27000', '28000', '2B000', '2D000', '2F000', '34000'],
  ...['38000', '39000', '3B000', '3D000', '3F000', '40002', '42000', '42501', '42703', '42P01', '42P05'],
  ...['44000', '53100', '53200', '54000', '55000', '57000', '57P03', '58030', '72000', 'F0000', 'HV000'],
  ...['P0001', 'XX000', 'XX001', 'ZZ999'],
];

/** Every write to service_statuses that the condition holds for fails with this SQLSTATE. */
async function refuse(database: TestDatabase, sqlstate: string, condition: string): Promise<void> {
  await database.query(`
    CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF ${condition} THEN RAISE EXCEPTION 'quota' USING ERRCODE = '${sqlstate}'; END IF;
      RETURN new;
    END
    $$;
    CREATE OR REPLACE TRIGGER refuse BEFORE INSERT OR UPDATE ON service_statuses FOR EACH ROW EXECUTE FUNCTION refuse()`);
}

async function count(database: TestDatabase, what: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${what}`);
  return row?.count ?? 0;
}

test(`if a trigger raises any SQLSTATE for one of ${size}, that message is refused and the others are applied within ${patience} ms`, async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, ...ids);
  let sent = 0;
  let slowest = 0;
  for (const sqlstate of sqlstates) {
    await refuse(database, sqlstate, "new.instance_id = 'i13'");
    sent += 1;
    const begin = performance.now();
    const outcomes = await apply(
      context,
      ids.map((id) => heartbeat(id, sent, 'running')),
    );
    const taken = performance.now() - begin;
    slowest = Math.max(slowest, taken);
    const isContended = sqlstate.startsWith('40') || sqlstate === '55P03';
    const expected = isContended ? 'deferred: contended' : 'dead: refused';
    t.deepEqual(
      outcomes.filter((outcome) => outcome !== 'applied'),
      [sqlstate === '40002' ? 'dead: refused' : expected],
      sqlstate,
    );
    t.not(outcomes[13], 'applied', sqlstate);
    t.true(taken < patience * slowness(), `${sqlstate} took ${Math.round(taken)} ms`);
  }
  t.log(`${sqlstates.length} SQLSTATEs, the slowest took ${Math.round(slowest)} ms`);
  const [letter] = await database.query('SELECT detail FROM dead_letters ORDER BY id LIMIT 1');
  t.is(letter?.detail, 'it is refused: quota (SQLSTATE 08006)');
});

test(`if a trigger raises any SQLSTATE for all of ${few.length}, no message is blamed, other methods continue, and all messages flow after the repair`, async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, {
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 1, maxRows: 10_000 },
  });
  await insertInstances(database, ...few);
  await insertBackup(database, 'b1', 'i1');
  let sent = 0;
  for (const sqlstate of sqlstates) {
    await refuse(database, sqlstate, 'true');
    sent += 1;
    const outcomes = await apply(context, [
      ...few.map((id) => heartbeat(id, sent, 'running')),
      backup('i1', 'b1', sent, { state: 'COMPLETED' }),
    ]);
    t.is(outcomes.at(-1), 'applied', sqlstate);
    t.deepEqual([...new Set(outcomes.slice(0, -1))], ['deferred: unproven'], sqlstate);
    // However often and however late they are tried again.
    await waitFor(async () => (await maintain(context)).retried > 0, { what: 'a retry' });
    t.is(await count(database, 'dead_letters'), 0, sqlstate);
    t.is(await count(database, 'deferred'), few.length, sqlstate);
    await database.query('DROP TRIGGER refuse ON service_statuses');
    await waitFor(async () => (await maintain(context)).retried === 0, { what: 'all to be retried' });
    t.is(await count(database, 'deferred'), 0, sqlstate);
    t.is(await count(database, `service_statuses WHERE sent = ${sent}`), few.length, sqlstate);
  }
});

for (const [what, statement, mend] of [
  [
    'a column that an upgrade adds',
    'ALTER TABLE service_statuses ADD region varchar(32) NOT NULL',
    'ALTER TABLE service_statuses ALTER region DROP NOT NULL',
  ],
  [
    'a CHECK that nothing passes',
    "ALTER TABLE service_statuses ADD CONSTRAINT wrong CHECK (status_description = 'nothing') NOT VALID",
    'ALTER TABLE service_statuses DROP CONSTRAINT wrong',
  ],
  [
    'a column that is made too narrow',
    'ALTER TABLE service_statuses ALTER status_description TYPE varchar(3) USING left(status_description, 3)',
    'ALTER TABLE service_statuses ALTER status_description TYPE varchar(64)',
  ],
  [
    'an index that is dropped',
    'DROP INDEX service_statuses_instance_id_unique',
    'CREATE UNIQUE INDEX service_statuses_instance_id_unique ON service_statuses (instance_id)',
  ],
] as const) {
  test(`${what} kills no message: one line names the object, and all messages flow after the repair`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const context = openContext(t, database, { deadLetters: { maxRows: 100, stormShare: 0.1 } });
    await insertInstances(database, ...ids);
    await database.query(statement);
    const messages = ids.map((id) => heartbeat(id, 1, 'running'));
    const outcomes = await apply(context, messages);
    t.deepEqual([...new Set(outcomes)], ['deferred: unproven']);
    const lone = await apply(context, [heartbeat('i1', 2, 'paused')]);
    t.deepEqual(lone, ['deferred: unproven']);
    await maintain(context);
    t.is(await count(database, 'dead_letters'), 0);
    await database.query(mend);
    await waitFor(
      async () => (await maintain(context)).retried === 0 && (await count(database, 'deferred')) === 0,
      {
        what: 'all to be applied',
      },
    );
    t.is(await count(database, 'service_statuses'), size);
    t.like(await statusOf(database, 'i1'), { sent: 2, status_description: 'paused' });
  });
}

test('a message that fails alone is put aside, and is dead once others of its method have been applied', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1', 'i2');
  await refuse(database, 'P0001', "new.instance_id = 'i1'");
  t.deepEqual(await apply(context, [heartbeat('i1', 1, 'running')]), ['deferred: unproven']);
  await waitFor(async () => (await maintain(context)).retried === 1, { what: 'a retry without contrast' });
  t.is(await count(database, 'dead_letters'), 0);
  t.deepEqual(await apply(context, [heartbeat('i2', 1, 'running')]), ['applied']);
  await waitFor(async () => (await maintain(context)).resolved === 1, { what: 'the retry with contrast' });
  t.deepEqual(await database.query('SELECT reason, instance_id FROM dead_letters'), [
    { reason: 'refused', instance_id: 'i1' },
  ]);
  t.is(await count(database, 'deferred'), 0);
});

test('earlier successes do not convict a message that waited for its instance and then fails', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i2');
  t.deepEqual(await apply(context, [heartbeat('i1', 1, 'running')]), ['deferred: unknown']);
  t.deepEqual(await apply(context, [heartbeat('i2', 1, 'running')]), ['applied']);
  await insertInstances(database, 'i1');
  await refuse(database, 'P0001', 'true');
  await waitFor(async () => (await maintain(context)).retried === 1, { what: 'a retry' });
  t.deepEqual(await database.query('SELECT reason FROM deferred'), [{ reason: 'unproven' }]);
  t.is(await count(database, 'dead_letters'), 0);
});

test('if the database refuses the messages about too many keys, they are held and one line says so', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, ...ids);
  await refuse(database, '23514', "right(new.instance_id, 1) < '5'");
  const outcomes = await apply(
    context,
    ids.map((id) => heartbeat(id, 1, 'running')),
  );
  const held = outcomes.filter((outcome) => outcome.startsWith('held: '));
  t.is(outcomes.filter((outcome) => outcome === 'applied').length, size / 2);
  t.true(held.length >= size / 2 - 100, `${held.length} are held`);
  t.regex(held[0] ?? '', /deadLetters\.stormShare.*quota/);
  t.true((await count(database, 'dead_letters')) <= 100);
});

test('messages beyond deferred.maxRows are held, not put aside', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, {
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 3_600_000, maxRows: 10 },
  });
  await insertInstances(database, ...ids);
  await refuse(database, '23514', 'true');
  const outcomes = await apply(
    context,
    ids.map((id) => heartbeat(id, 1, 'running')),
  );
  t.deepEqual(
    [...new Set(outcomes)].map(
      (outcome) => /^held: heartbeat: .*quota.*deferred\.maxRows/.test(outcome) || outcome,
    ),
    [true],
  );
  t.is(await count(database, 'deferred'), 0);
});
