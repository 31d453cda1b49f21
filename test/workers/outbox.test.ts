import ava from 'ava';
import fc from 'fast-check';
import type { ClaimedNotification, Notification } from '../../src/core/message/notification.ts';
import { applied } from '../../src/core/message/outcome.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import { type CastMethod, takesBatches } from '../../src/workers/methods/contract.ts';
import { claimOutbox, settleOutbox } from '../../src/workers/outbox.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { maintain } from '../support/maintain.ts';
import { noticeArgs, requestIdIn } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { apply, insertInstances, native, openContext } from '../support/worker.ts';

const test = needs(ava, 'postgres');

const notice = (instance: string, requestId: string) => native('notify_end', noticeArgs(instance, requestId));

/** The waiting notifications by their request ids, in the order of their rows. */
async function waiting(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ body: Buffer }>('SELECT body FROM notification_outbox ORDER BY id');
  return rows.map(({ body }) => requestIdIn(body));
}

const idsOf = (claimed: ReadonlyArray<ClaimedNotification>) => claimed.map(({ body }) => requestIdIn(body));
const settled = { published: [], failed: [], released: [] };

test('a batch stores its notifications in the order of its messages, and none of a message that fails', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  const failure = native('notify_exc_info', { ...noticeArgs('i1', 'r2'), message: 'm', exception: ['e'] });
  // notify_exc_info comes first in the method table or last: the order of the messages counts.
  t.deepEqual(await apply(context, [notice('i1', 'r1'), failure, notice('i1', 'r3')]), [
    'applied',
    'applied',
    'applied',
  ]);
  t.deepEqual(await waiting(database), ['r1', 'r2', 'r3']);
  await database.query(`
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
    CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON instance_faults DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
    DELETE FROM instance_faults`);
  t.deepEqual(await apply(context, [notice('i1', 'r4'), failure]), ['applied', 'deferred: unproven']);
  t.deepEqual(await waiting(database), ['r1', 'r2', 'r3', 'r4']);
});

test('a notification of a retried message is stored in the transaction that deletes the message', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await database.query(
    `INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at)
     VALUES ('notify_end', 'any', 'i1', 'plain', $1, 'contended', now())`,
    [JSON.stringify(noticeArgs('i1', 'r1'))],
  );
  await database.query('ALTER TABLE notification_outbox RENAME TO gone');
  t.like(await maintain(context), { retried: 1, resolved: 0 });
  t.is((await database.query('SELECT FROM deferred')).length, 1);
  await database.query('ALTER TABLE gone RENAME TO notification_outbox');
  await database.query('UPDATE deferred SET next_attempt_at = now()');
  t.like(await maintain(context), { retried: 1, resolved: 1 });
  t.deepEqual(await waiting(database), ['r1']);
  t.deepEqual(await database.query('SELECT FROM deferred'), []);
});

test('a call of a guest method stores its notification', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const state = openContext(t, database);
  const { outcome, notifies } = await runCall({
    state,
    raw: notice('i1', 'r1'),
    transport: 'plain',
    timeout: 5000,
  });
  t.deepEqual([outcome, notifies], ['answered', true]);
  t.deepEqual(await waiting(database), ['r1']);
});

test('a notification without bytes as its body makes its message a dead letter', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  const { notify_end: end } = context.manager;
  if (end === undefined || !takesBatches(end)) throw new Error('no such method');
  const notification: Notification = { topic: 'events', body: Buffer.from('text') };
  // As a method in JavaScript may return it.
  Reflect.set(notification, 'body', 'text');
  const broken: CastMethod = {
    ...end,
    apply: async (_, batch) =>
      batch.map(({ instanceId }) => (instanceId === 'i1' ? { kind: 'applied', notification } : applied)),
  };
  const manager = { ...context.manager, notify_end: broken };
  const outcomes = await apply({ ...context, manager }, [notice('i1', 'r1'), notice('i2', 'r2')]);
  t.deepEqual(outcomes, ['dead: refused', 'applied']);
  const [letter] = await database.query('SELECT detail FROM dead_letters');
  t.regex(String(letter?.detail), /notify_end returned a notification without a topic or without bytes/);
});

test('two replicas do not claim the same notification, and none behind one that is claimed', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const [one, other] = [openContext(t, database), openContext(t, database)];
  await apply(one, [notice('i1', 'r1'), notice('i2', 'r2'), notice('i1', 'r3')]);
  t.deepEqual(idsOf(await claimOutbox(one, 'plain')), ['r1', 'r2', 'r3']);
  await apply(one, [notice('i1', 'r4'), notice('i3', 'r5')]);
  t.deepEqual(idsOf(await claimOutbox(other, 'plain')), ['r5']);
  t.deepEqual(await claimOutbox(other, 'oslo'), [], 'another transport has its own');
});

test('a failed notification waits longer each time and holds back those behind it; a released one is free at once', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await apply(context, [notice('i1', 'r1'), notice('i1', 'r2'), notice('i2', 'r3')]);
  for (const delay of [1, 2, 4, 8, 16, 32, 60, 60]) {
    const claimed = await claimOutbox(context, 'plain');
    t.deepEqual(idsOf(claimed), ['r1', 'r2', 'r3']);
    const [first, ...others] = claimed.map(({ row }) => row);
    const failed = [{ row: first ?? '', error: 'nobody\0 is there' }];
    const [before] = await database.query<{ at: string }>('SELECT now()::text AS at');
    await settleOutbox(context, { ...settled, failed, released: others });
    const [row] = await database.query<{ least: number; most: number; error: string }>(
      `SELECT (extract(epoch FROM next_attempt_at - now()))::double precision AS least,
         (extract(epoch FROM next_attempt_at - $2::timestamptz))::double precision AS most, error
       FROM notification_outbox WHERE id = $1`,
      [first, before?.at],
    );
    t.true(
      row !== undefined && row.least <= delay && row.most >= delay,
      `${JSON.stringify(row)}, not ${delay}`,
    );
    // A short delay may be over on a busy machine.
    if (delay > 15) t.deepEqual(idsOf(await claimOutbox(context, 'plain')), ['r3']);
    t.is(row?.error, 'nobody\\u0000 is there');
    await database.query('UPDATE notification_outbox SET next_attempt_at = now()');
  }
});

test('a claim is bounded by its bytes', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await database.query(`
    INSERT INTO notification_outbox (transport, topic, message_id, instance_id, body)
    SELECT 'plain', 'events', n, NULL, convert_to(repeat('x', 3000000), 'utf8') FROM generate_series(1, 5) AS n`);
  const sizes: number[] = [];
  for (let claimed = 1; claimed > 0; ) {
    claimed = (await claimOutbox(context, 'plain')).length;
    sizes.push(claimed);
  }
  t.deepEqual(sizes, [3, 2, 0]);
});

/** Mulberry32: a small generator, so that a seed repeats a run as far as the machine lets it. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const instances = ['i1', 'i2', 'i3'];

/** A replica that publishes, and now and then fails, or is lost in the middle. */
async function publishFor(
  context: ThreadState,
  random: () => number,
  isOver: () => Promise<boolean>,
  heard: (text: string) => void,
): Promise<void> {
  while (!(await isOver())) {
    const claimed = await claimOutbox(context, 'plain');
    const published: string[] = [];
    const failed: { row: string; error: string }[] = [];
    const released: string[] = [];
    const blocked = new Set<string | null>();
    let isLost = false;
    for (const { row, instanceId, body } of claimed) {
      // The broker takes its time, and others go on.
      if (random() < 0.5) await isOver();
      isLost ||= random() < 0.05;
      if (isLost) break;
      if (blocked.has(instanceId)) released.push(row);
      else if (random() < 0.1) {
        failed.push({ row, error: 'no' });
        blocked.add(instanceId);
      } else {
        heard(requestIdIn(body));
        published.push(row);
      }
    }
    if (!isLost) await settleOutbox(context, { published, failed, released });
  }
}

test('whatever is lost on the way, each notification is published, and those of an instance first come in their order', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const writer = openContext(t, database);
  // On a busy machine a claim may wait for the lock of another one for seconds: that is no failure.
  const patient = { database: { lockTimeout: 10_000, idleInTransactionTimeout: 60_000 } };
  const replicas = [1, 2, 3].map(() => openContext(t, database, patient));
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = generator(seed);
      const heard = new Map<string, string[]>(instances.map((instance) => [instance, []]));
      const hear = (text: string) => {
        const list = heard.get(text.split(' ')[0] ?? '') ?? [];
        if (!list.includes(text)) list.push(text);
      };
      let isWritten = false;
      const isOver = async () => {
        // Claims of the lost run out, and those of others too early.
        await database.query(
          `UPDATE notification_outbox SET next_attempt_at = now()
           WHERE id IN (SELECT id FROM notification_outbox WHERE random() < 0.3 FOR UPDATE SKIP LOCKED)`,
        );
        return isWritten && (await waiting(database)).length === 0;
      };
      const publishing = replicas.map((replica) => publishFor(replica, random, isOver, hear));
      const sent = new Map<string, string[]>(instances.map((instance) => [instance, []]));
      for (let count = 0; count < 60; ) {
        const batch = Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
          const instance = instances[Math.floor(random() * instances.length)] ?? '';
          const text = `${instance} ${count}`;
          count += 1;
          sent.get(instance)?.push(text);
          return notice(instance, text);
        });
        await apply(writer, batch);
      }
      isWritten = true;
      await Promise.all(publishing);
      t.deepEqual(heard, sent);
    }),
    // A second run would find the rows that a failed one leaves, and its failure would hide the first.
    { numRuns: 5, endOnFailure: true },
  );
});
