import ava from 'ava';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances, openContext } from '../support/worker.ts';
import { configuration, run, runHere } from './support.ts';

const test = needs(ava.serial, 'postgres');

const file = ({ url }: TestDatabase) => configuration(`database: { url: "${url}" }`);

async function explained(database: TestDatabase, id: string, ...flags: string[]) {
  const { code, stdout, errors } = await runHere(['explain', id, '--config', file(database), ...flags]);
  if (code !== 0) throw new Error(errors.join('\n'));
  return stdout;
}

test('explain tells the status, its changes and what became of the messages', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  await insertInstances(database, 'i1');
  const now = Date.now() / 1000;
  await apply(context, [heartbeat('i1', now - 9, 'building')]);
  await apply(context, [heartbeat('i1', now - 8, 'running')]);
  await apply(context, [heartbeat('i1', now - 7, 'no such status')]);
  await database.query(`
    INSERT INTO deferred (method, key, instance_id, transport, args, reason, attempts, next_attempt_at)
    VALUES ('update_backup', 'i1 b1', 'i1', 'edge', '{"secret":"s3cret"}', 'unknown', 3, now())`);
  const told = JSON.parse(await explained(database, 'i1', '--json'));
  t.like(told, { id: 'i1', instance: { name: 'i1', deleted: false }, more: false });
  t.like(told.status, { status: 'running', sent: now - 8 });
  t.deepEqual(
    told.transitions.map(({ from, to, cause }: Record<string, unknown>) => [from, to, cause]),
    [
      ['building', 'running', 'heartbeat'],
      [null, 'building', 'heartbeat'],
    ],
  );
  t.is(told.deferred.length, 1);
  t.is(told.dead[0]?.reason, 'bad_argument');
  t.regex(told.why.join('\n'), /^The last heartbeat was applied \d+ s ago\./);
  t.regex(told.why.join('\n'), /update_backup waits after 3 attempts: the instance or the backup is not/);
  t.regex(told.why.join('\n'), /dead letters, the newest ones because of: bad_argument/);
  const text = await explained(database, 'i1', '--limit', '1');
  t.regex(text, /^i1: running, last written at 20.*\n\n- The last heartbeat/);
  t.regex(text, /Changes of status, the newest first:\nat .*\n.*running.*heartbeat\nThere are more/);
  t.regex(text, /Dead letters, the newest first:\nid .*\n.*bad_argument.*no such status/);
  t.false(text.includes('s3cret'));
  const printed = await run(t, ['explain', 'i1', '--config', file(database), '--limit', '1']);
  const withoutAges = (told: string) => told.replaceAll(/\d+ s ago/g, '');
  t.is(withoutAges(printed.stdout), withoutAges(text));
});

test('explain of an instance that nobody knows says what happens to its heartbeats', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await apply(openContext(t, database), [heartbeat('i9', 1, 'running')]);
  const text = await explained(database, 'i9');
  t.regex(text, /^i9: no status\n/);
  t.regex(text, /- The table instances has no such instance: its heartbeats wait in deferred/);
  t.regex(text, /- A heartbeat waits after \d+ attempts?: the instance or the backup is not/);
  t.regex(text, /Changes of status, the newest first: none\./);
});

for (const [what, change, expected] of [
  [
    'a silent guest',
    "updated_at = now() AT TIME ZONE 'utc' - interval '1 hour'",
    /Nothing was applied for 36\d\d s/,
  ],
  [
    'a clock far ahead',
    'sent = extract(epoch FROM now()) + 3600',
    /clock of its guest was 3[56]\d\d s ahead.*next heartbeat is applied/,
  ],
  ['a clock slightly ahead', 'sent = extract(epoch FROM now()) + 40', /clock of its guest is \d+ s ahead/],
  [
    'a due restart',
    "status_id = 32, status_description = 'restart required'",
    /No heartbeat ends the status "restart required"/,
  ],
] as const) {
  test(`explain names ${what}`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'i1');
    await apply(openContext(t, database), [heartbeat('i1', 1, 'running')]);
    await database.query(`UPDATE service_statuses SET ${change}`);
    t.regex(await explained(database, 'i1'), expected);
  });
}

test('no sender can write control characters to the terminal of explain', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await database.query(`
    INSERT INTO dead_letters (transport, reason, instance_id, body_size, body_digest, detail)
    VALUES ('edge', 'bad_argument', 'i1', 1, '', E'\\u001b[2J')`);
  t.false((await explained(database, 'i1')).includes('\u001b'));
});
