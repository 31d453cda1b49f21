import { randomUUID } from 'node:crypto';
import test from 'ava';
import { noticeArgs } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertBackup, insertInstances, statusOf } from '../support/worker.ts';
import { start } from './trove-behaviour-replica.ts';

/**
 * What Trove's own tests ask of its conductor (trove/tests/unittests/conductor/test_methods.py), and where it goes wrong there,
 * from end to end: a message in oslo's form on RabbitMQ, rows in Postgres.
 */

// One after the other, since a cast is done with when the counters change.
const rabbitTest = needs(test.serial, 'rabbitmq', 'postgres');

const now = () => Date.now() / 1000;

rabbitTest('a heartbeat changes the status', async (t) => {
  const { database, instance, heartbeat } = await start();
  t.is(await heartbeat('building', now()), 'applied');
  t.like(await statusOf(database, instance), { status_id: 0x09, status_description: 'building' });
});

rabbitTest('a heartbeat without a status changes only the time', async (t) => {
  const { database, instance, heartbeat } = await start();
  await heartbeat('running', 1);
  await database.query("UPDATE service_statuses SET updated_at = updated_at - interval '1 hour'");
  t.is(await heartbeat(undefined, undefined), 'applied');
  const row = await statusOf(database, instance);
  t.like(row, { status_description: 'running', sent: 1 });
  t.true(row !== undefined && row.age < 60);
});

rabbitTest('a heartbeat with a bogus status is refused and reported', async (t) => {
  const { database, instance, heartbeat, letters } = await start();
  await heartbeat('running', 1);
  t.is(await heartbeat('potato salad', 2), 'dead');
  t.like(await statusOf(database, instance), { status_description: 'running' });
  const [letter] = await letters();
  t.like(letter, { reason: 'bad_argument', instance_id: instance });
  t.regex(String(letter?.detail), /potato salad/);
});

rabbitTest('a newer heartbeat is accepted', async (t) => {
  const { database, instance, heartbeat } = await start();
  const sent = now();
  await heartbeat('new', sent);
  t.is(await heartbeat('building', sent + 1), 'applied');
  t.like(await statusOf(database, instance), { status_description: 'building', sent: sent + 1 });
});

rabbitTest('an older heartbeat is discarded', async (t) => {
  const { database, instance, heartbeat } = await start();
  const sent = now();
  await heartbeat('new', sent);
  t.is(await heartbeat('building', sent - 60), 'stale');
  t.is(await heartbeat('building', sent), 'duplicate');
  t.like(await statusOf(database, instance), { status_description: 'new', sent });
});

rabbitTest('a heartbeat without `sent` is applied and does not move the guard', async (t) => {
  const { database, instance, heartbeat } = await start();
  await heartbeat('running', 5);
  t.is(await heartbeat('healthy', undefined), 'applied');
  t.like(await statusOf(database, instance), { status_description: 'healthy', sent: 5 });
});

rabbitTest('a heartbeat does not end a required restart', async (t) => {
  const { database, instance, heartbeat } = await start();
  await heartbeat('restart required', 1);
  await heartbeat('running', 2);
  t.like(await statusOf(database, instance), { status_description: 'restart required' });
});

rabbitTest('a heartbeat of an unknown instance is kept until the instance is made', async (t) => {
  const { database, heartbeat } = await start();
  const late = randomUUID();
  t.is(await heartbeat('running', 1, late), 'deferred');
  t.like(
    (await database.query('SELECT reason, instance_id FROM deferred WHERE instance_id = $1', [late]))[0],
    {
      reason: 'unknown',
      instance_id: late,
    },
  );
  await insertInstances(database, late);
  const row = await waitFor(() => statusOf(database, late), { what: 'the heartbeat that came too early' });
  t.is(row.status_description, 'running');
});

rabbitTest('a guest whose clock once ran ahead is not muted', async (t) => {
  const { database, instance, heartbeat } = await start();
  await heartbeat('running', now() + 86_400);
  t.is(await heartbeat('healthy', now()), 'applied');
  t.like(await statusOf(database, instance), { status_description: 'healthy' });
});

rabbitTest('two status words that share a code are both accepted', async (t) => {
  const { database, instance, heartbeat } = await start();
  for (const [sent, word] of ['upgrading', 'restarting'].entries()) {
    t.is(await heartbeat(word, sent + 1), 'applied');
    t.like(await statusOf(database, instance), { status_id: 0x22, status_description: word });
  }
});

rabbitTest('an update of a backup changes its columns', async (t) => {
  const { update, backupRow } = await start();
  const fields = { state: 'COMPLETED', size: 1.5, checksum: 'c', location: 'l', backup_type: 'full' };
  t.is(await update(fields, 1), 'applied');
  t.like(await backupRow(), fields);
});

rabbitTest('an unknown field of a backup is ignored, and the other fields are applied', async (t) => {
  const { update, backupRow, letters } = await start();
  t.is(await update({ not_a_valid_field: 'INVALID', state: 'SAVING' }, 1), 'applied');
  t.like(await backupRow(), { state: 'SAVING' });
  t.deepEqual(await letters(), []);
});

rabbitTest('a newer update of a backup is accepted, and an older one is discarded', async (t) => {
  const { update, backupRow } = await start();
  const sent = now();
  await update({ state: 'BUILDING' }, sent);
  t.is(await update({ state: 'SAVING' }, sent + 1), 'applied');
  t.is(await update({ state: 'BUILDING' }, sent - 60), 'stale');
  t.like(await backupRow(), { state: 'SAVING', sent: sent + 1 });
});

rabbitTest('an older update of one backup is accepted after a newer one of another backup', async (t) => {
  const { database, instance, update, backupRow } = await start();
  const second = randomUUID();
  await insertBackup(database, second, instance);
  await update({ state: 'COMPLETED' }, 10, { backup: second });
  t.is(await update({ state: 'COMPLETED' }, 5), 'applied');
  t.like(await backupRow(), { state: 'COMPLETED', sent: 5 });
});

rabbitTest("an update of another instance's backup is refused and reported", async (t) => {
  const { other, update, backupRow, letters } = await start();
  t.is(await update({ state: 'COMPLETED' }, 1, { instance: other }), 'dead');
  t.like(await backupRow(), { state: 'NEW' });
  t.like((await letters())[0], { reason: 'foreign_backup', instance_id: other });
});

rabbitTest('an update of an unknown backup is kept until the backup is made', async (t) => {
  const { database, instance, update } = await start();
  const late = randomUUID();
  t.is(await update({ state: 'COMPLETED' }, 1, { backup: late }), 'deferred');
  await insertBackup(database, late, instance);
  await waitFor(
    async () =>
      (await database.query("SELECT FROM backups WHERE id = $1 AND state = 'COMPLETED'", [late])).length ===
      1,
    { what: 'the update that came too early' },
  );
});

rabbitTest('a message about an unknown instance is reported once it is too old', async (t) => {
  const { database, heartbeat, update, letters } = await start();
  const [unknown, backup] = [randomUUID(), randomUUID()];
  t.is(await heartbeat('running', 1, unknown), 'deferred');
  t.is(await update({ state: 'COMPLETED' }, 1, { backup }), 'deferred');
  await database.query("UPDATE deferred SET first_deferred_at = first_deferred_at - interval '2 hours'");
  const found = await waitFor(
    async () => {
      const all = await letters(unknown);
      return all.length === 2 && all;
    },
    { what: 'both dead letters' },
  );
  t.deepEqual(
    found.map(({ reason }) => reason),
    ['never_known', 'never_known'],
  );
});

rabbitTest('the first report of root is kept, and later ones change nothing', async (t) => {
  const { database, instance, cast } = await start();
  t.is(await cast('report_root', { instance_id: instance }), 'applied');
  t.is(await cast('report_root', { instance_id: instance, user: 'root' }), 'duplicate');
  t.deepEqual(await database.query('SELECT id, "user" FROM root_enabled_history WHERE id = $1', [instance]), [
    { id: instance, user: 'u1' },
  ]);
});

rabbitTest("an instance's fault is the last error that it has reported", async (t) => {
  const { database, instance, cast } = await start();
  for (const message of ['first', 'x'.repeat(300)]) {
    const args = { ...noticeArgs(instance, 'req-1'), message, exception: ['Traceback\n'] };
    t.is(await cast('notify_exc_info', args), 'applied');
  }
  t.deepEqual(
    await database.query('SELECT instance_id, message, details FROM instance_faults WHERE instance_id = $1', [
      instance,
    ]),
    [
      {
        instance_id: instance,
        message: `${'x'.repeat(252)}...`,
        details: 'Server type: guest\nTraceback\n',
      },
    ],
  );
});
