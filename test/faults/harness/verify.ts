/** Compares what is in the database with what the oracle says. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDatabase } from '../../support/database.ts';
import { busyInstances, instanceId, kindOf, messageOf, noticeInstances, storedKey } from './messages.ts';
import type { Oracle, StoredRow } from './oracle.ts';
import type { Listener } from './world.ts';

/** Milliseconds. The claim of a replica that was killed on notifications holds for half a minute. */
const defaultPatience = 60_000;
const interval = 250;
/** Rows that are read at once. */
const page = 50_000;

/** Instances that are known from the beginning, and a record of each update that does not set a newer `sent`. */
export async function prepareDatabase(database: TestDatabase, messages: number): Promise<void> {
  await database.query(`
    -- Of the calls.
    CREATE TABLE harness_notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number integer NOT NULL);
    CREATE TABLE sent_twice (instance_id text, stored double precision, written double precision);
    CREATE FUNCTION note_sent_twice() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO sent_twice VALUES (new.instance_id, old.sent, new.sent);
      RETURN NULL;
    END
    $$;
    CREATE TRIGGER sent_twice AFTER UPDATE ON service_statuses FOR EACH ROW WHEN (new.sent <= old.sent)
      EXECUTE FUNCTION note_sent_twice()`);
  const register = (pattern: string, from: number, to: number, step: number) =>
    database.query(
      `INSERT INTO instances (id, name, created, deleted, encrypted_key)
       SELECT $1::text || lpad(to_hex(n), 12, '0'), 'guest', now() AT TIME ZONE 'utc', false, $5
       FROM generate_series($2::bigint, $3::bigint, $4::bigint) AS n`,
      [pattern, from, to, step, storedKey],
    );
  await register(instanceId('busy', 0).slice(0, -12), 0, busyInstances - 1, 1);
  await register(instanceId('once', 1).slice(0, -12), 1, messages, 4);
  await register(instanceId('poison', 0).slice(0, -12), 0, messages, 1000);
  await register(instanceId('notice', 0).slice(0, -12), 0, noticeInstances - 1, 1);
}

/**
 * Waits until all is there that has to be, or nothing has changed for the milliseconds of patience; the oracle has judged everything then.
 *
 * @param listener has heard the notifications.
 */
export async function untilSettled(
  database: TestDatabase,
  oracle: Oracle,
  listener: Listener,
  patience = defaultPatience,
): Promise<void> {
  const expected = expectedCounts(oracle);
  let [last, changedAt] = ['', performance.now()];
  while (performance.now() - changedAt < patience) {
    const [counts] = await database
      .query<{ rows: number; letters: number; deferred: number; outbox: number; newest: number | null }>(
        `SELECT (SELECT count(*)::int FROM service_statuses) AS rows, (SELECT count(*)::int FROM deferred) AS deferred,
           (SELECT count(DISTINCT body)::int FROM dead_letters) AS letters,
           (SELECT count(*)::int FROM notification_outbox) AS outbox,
           (SELECT sum(sent) FROM service_statuses WHERE instance_id LIKE '0b%') AS newest`,
      )
      .catch(() => []);
    const isComplete =
      counts !== undefined &&
      counts.rows >= expected.rows &&
      counts.letters >= expected.letters &&
      counts.deferred === 0 &&
      counts.outbox === 0;
    if (isComplete) {
      await hear(listener, oracle, expected.notices);
      await judge(database, oracle);
      if (oracle.tally().lost === 0) return;
    }
    const now = JSON.stringify(counts);
    if (now !== last) [last, changedAt] = [now, performance.now()];
    await sleep(interval);
  }
  await hear(listener, oracle, expected.notices);
  await judge(database, oracle);
}

async function hear(listener: Listener, oracle: Oracle, expected: number): Promise<void> {
  for (const [id, times] of await listener(expected)) oracle.notification(id, times);
}

interface Counts {
  readonly rows: number;
  readonly letters: number;
  readonly notices: number;
}

/** Rows, dead letters and notifications that there must be, at least. */
function expectedCounts(oracle: Oracle): Counts {
  let [rows, letters, notices] = [0, 0, 0];
  const busy = new Set<number>();
  for (let n = 0; n < oracle.attempted; n += 1) {
    const kind = kindOf(n);
    if (kind === 'poison') letters += 1;
    else if (kind === 'notice') notices += 1;
    else if (kind === 'busy') busy.add(n % busyInstances);
    else rows += 1;
  }
  return { rows: rows + busy.size, letters, notices };
}

/** Shows the oracle every row and every dead letter. */
export async function judge(database: TestDatabase, oracle: Oracle): Promise<void> {
  oracle.clear();
  let after = '';
  for (;;) {
    const rows = await database.query<StoredRow & Record<string, unknown>>(
      `SELECT instance_id AS instance, status_description AS status, sent FROM service_statuses
       WHERE instance_id > $1 ORDER BY instance_id LIMIT ${page}`,
      [after],
    );
    for (const row of rows) oracle.row(row);
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last.instance;
  }
  const letters = await database.query<{ body: Buffer; reason: string }>(
    'SELECT body, reason FROM dead_letters',
  );
  for (const { body, reason } of letters) oracle.deadLetter({ body: body.toString('latin1'), reason });
}

/** What must not be there when all has settled, in words. */
export async function leftovers(database: TestDatabase): Promise<string[]> {
  const deferred = await database.query(
    'SELECT method, key, reason, attempts, next_attempt_at FROM deferred LIMIT 10',
  );
  const twice = await database.query('SELECT * FROM sent_twice LIMIT 10');
  // Each change of a status has its row in the history, written with it: of an instance, each old status is the new one before.
  const broken = await database.query(
    `SELECT instance_id, id, old_status, before FROM (
       SELECT instance_id, id, old_status, lag(new_status) OVER (PARTITION BY instance_id ORDER BY id) AS before
       FROM status_transitions) AS steps
     WHERE before <> old_status OR (before IS NOT NULL AND old_status IS NULL) LIMIT 10`,
  );
  const behind = await database.query(
    `SELECT instance_id, status_description, last.new_status FROM service_statuses CROSS JOIN LATERAL (
       SELECT new_status FROM status_transitions AS one WHERE one.instance_id = service_statuses.instance_id
       ORDER BY id DESC LIMIT 1) AS last
     WHERE last.new_status <> status_description LIMIT 10`,
  );
  return [
    ...broken.map((row) => `the history of statuses misses a change: ${JSON.stringify(row)}`),
    ...behind.map((row) => `the history of statuses ends with another status: ${JSON.stringify(row)}`),
    ...deferred.map((row) => `left in deferred: ${JSON.stringify(row)}`),
    ...twice.map((row) => `a row was written by a message that was not newer: ${JSON.stringify(row)}`),
  ];
}

/** The lost messages: their number, and the first ones. */
export function describeLost(oracle: Oracle): string[] {
  const { lost } = oracle.tally();
  if (lost === 0) return [];
  const first = oracle
    .lost(10)
    .map((n) => `lost: message ${n} (${kindOf(n)}, ${messageOf(n, oracle.begin, 'native').sender})`);
  return [`lost: ${lost} messages, of which the first ones are:`, ...first];
}
