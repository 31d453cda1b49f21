import test from 'ava';
import fc from 'fast-check';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { dueLetters, redriveLetters } from '../../src/workers/redrive.ts';
import { createDatabase, replicaRole, type TestDatabase } from '../support/database.ts';
import { apply, backup, heartbeat, insertBackup, insertInstances, openContext } from '../support/worker.ts';

/** Several workers, messages in any order and several times over, one Postgres. */

const instances = ['i1', 'i2', 'i3'];
const words = ['building', 'running', 'shutdown', 'healthy', 'blocked'];

interface Sent {
  readonly instance: string;
  readonly sent: number;
  readonly kind: 'heartbeat' | 'backup' | 'touch';
}

/** What was sent when says what it said, so that the newest of each determines the end. */
function messageOf({ instance, sent, kind }: Sent): RawMessage {
  if (kind === 'touch') return heartbeat(instance, sent);
  if (kind === 'heartbeat') return heartbeat(instance, sent, words[sent % words.length]);
  return backup(instance, `b-${instance}`, sent, {
    state: `S${sent}`,
    size: sent,
    location: `L${sent}`,
    checksum: null,
  });
}

const sentMessages = fc.array(
  fc.record({
    instance: fc.constantFrom(...instances),
    sent: fc.integer({ min: 1, max: 20 }),
    kind: fc.constantFrom('heartbeat' as const, 'heartbeat' as const, 'backup' as const, 'touch' as const),
  }),
  { minLength: 1, maxLength: 25 },
);

/** Every message at least once, in any order, cut into batches anywhere, dealt out to two workers. */
const schedules = sentMessages.chain((messages) =>
  fc
    .tuple(
      fc.shuffledSubarray([...messages, ...messages]),
      fc.shuffledSubarray(messages, { minLength: messages.length }),
      fc.infiniteStream(fc.nat(7)),
    )
    .map(([some, each, cuts]) => {
      const all = [...some, ...each];
      const batches: Sent[][] = [];
      for (let at = 0; at < all.length; ) {
        const length = 1 + (cuts.next().value ?? 0);
        batches.push(all.slice(at, at + length));
        at += length;
      }
      return { messages, batches };
    }),
);

function newest(messages: Sent[], instance: string, kind: Sent['kind']): number | undefined {
  const all = messages
    .filter((message) => message.instance === instance && message.kind === kind)
    .map(({ sent }) => sent);
  return all.length === 0 ? undefined : Math.max(...all);
}

/** The rows go, since the trigger would keep their guard. */
async function reset(database: TestDatabase): Promise<void> {
  await database.query('DELETE FROM service_statuses');
  await database.query('DELETE FROM backups');
  for (const instance of instances) await insertBackup(database, `b-${instance}`, instance);
}

test('any permutation, duplication and interleaving over two workers ends with the newest values', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const workers = [openContext(t, database), openContext(t, database)];
  await insertInstances(database, ...instances);
  await fc.assert(
    fc.asyncProperty(schedules, async ({ messages, batches }) => {
      await reset(database);
      const queue = [...batches];
      const outcomes = await Promise.all(
        workers.map(async (context) => {
          const own: string[] = [];
          for (let batch = queue.shift(); batch !== undefined; batch = queue.shift())
            own.push(...(await apply(context, batch.map(messageOf))));
          return own;
        }),
      );
      const usual = ['applied', 'stale', 'duplicate'];
      t.deepEqual(
        outcomes.flat().filter((outcome) => !usual.includes(outcome)),
        [],
      );
      for (const instance of instances) {
        const [status] = await database.query(
          'SELECT sent, status_description FROM service_statuses WHERE instance_id = $1',
          [instance],
        );
        const beat = newest(messages, instance, 'heartbeat');
        if (beat !== undefined)
          t.deepEqual(status, { sent: beat, status_description: words[beat % words.length] });
        const [stored] = await database.query(
          'SELECT sent, state, size, location FROM backups WHERE instance_id = $1',
          [instance],
        );
        const update = newest(messages, instance, 'backup');
        if (update !== undefined)
          t.deepEqual(stored, { sent: update, state: `S${update}`, size: update, location: `L${update}` });
      }
    }),
    { numRuns: 100 },
  );
});

test('three sessions that write overlapping keys in random order for ten seconds never deadlock', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const ids = Array.from({ length: 200 }, (_, index) => `i${index}`);
  await insertInstances(database, ...ids);
  for (const id of ids.slice(0, 100)) await insertBackup(database, `b-${id}`, id);
  // Unknown ones too: deferred rows are locked as well, and autoRegister would lock instances.
  const everybody = [...ids, ...Array.from({ length: 20 }, (_, index) => `unknown${index}`)];
  const end = performance.now() + 10_000;
  let sent = 1;
  let batches = 0;
  const session = async () => {
    const context = openContext(t, database);
    while (performance.now() < end) {
      const shuffled = everybody.map((id) => ({ id, at: Math.random() })).sort((a, b) => a.at - b.at);
      const batch = shuffled.slice(0, 120).map(({ id, at }) => {
        sent += 1;
        return at < 0.6 ? heartbeat(id, sent, 'running') : backup(id, `b-${id}`, sent, { state: 'BUILDING' });
      });
      const outcomes = await apply(context, batch);
      t.false(
        outcomes.some((outcome) => outcome.startsWith('held')),
        outcomes.find((outcome) => outcome.startsWith('held')) ?? '',
      );
      batches += 1;
    }
  };
  await Promise.all([session(), session(), session()]);
  t.true(batches > 100);
  // A deadlock that was retried in silence still counts here. The counters are flushed when a backend is idle.
  const [row] = await database.query(
    'SELECT deadlocks::integer FROM pg_stat_database WHERE datname = current_database()',
  );
  t.is(row?.deadlocks, 0);
  t.log(`${batches} batches of 120 messages`);
});

test('two replicas that redrive the same letters side by side apply each once', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const [context, other] = [openContext(t, database), openContext(t, database)];
  const ids = Array.from({ length: 200 }, (_, index) => `i${index}`);
  await insertInstances(database, ...ids);
  // A heartbeat without `sent` has no guard: it would act each time.
  await database.query(`
    CREATE TABLE changes (instance_id text); GRANT INSERT ON changes TO ${replicaRole};
    CREATE FUNCTION keep_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO changes VALUES (new.instance_id); RETURN NULL; END $$;
    CREATE TRIGGER keep_change AFTER INSERT OR UPDATE ON service_statuses FOR EACH ROW EXECUTE FUNCTION keep_change()`);
  for (const id of ids) {
    const message = {
      method: 'heartbeat',
      args: { instance_id: id, payload: { service_status: 'running' } },
    };
    const body = JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
    await database.query(
      `INSERT INTO dead_letters (transport, reason, body, body_size, body_digest, redrive_at) VALUES ('oslo', 'refused', $1, $2, '', now())`,
      [Buffer.from(body), body.length],
    );
  }
  const { ids: due } = await dueLetters(context, 'oslo');
  t.is(due.length, ids.length);
  const results = await Promise.all([
    redriveLetters(context, { transport: 'oslo', ids: due }),
    redriveLetters(other, { transport: 'oslo', ids: due }),
    redriveLetters(context, { transport: 'oslo', ids: due.slice(50) }),
  ]);
  // A letter that one of them has locked is left to it. So a further round may have to follow.
  t.deepEqual(
    await database.query("SELECT FROM dead_letters WHERE redrive_outcome IS DISTINCT FROM 'applied'"),
    [],
  );
  t.is(
    results.reduce((sum, { outcomes }) => sum + (outcomes.applied ?? 0), 0),
    ids.length,
  );
  const changes = await database.query('SELECT instance_id FROM changes GROUP BY 1 HAVING count(*) = 1');
  t.is(changes.length, ids.length);
});
