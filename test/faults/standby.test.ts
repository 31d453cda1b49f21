import ava from 'ava';
import { runCall } from '../../src/workers/calls/run.ts';
import { callerOn, ownTables } from '../calls/support.ts';
import { startOwnPostgres } from '../faults/databases.ts';
import type { TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import {
  apply,
  backup,
  heartbeat,
  insertBackup,
  insertInstances,
  native,
  openContext,
} from '../support/worker.ts';

/** Commits that wait for a synchronous standby. Each test has a Postgres of its own, whose standby does not exist. */
const test = needs(ava.serial, 'postgres');

const cancelled = /the commit did not reach the synchronous standby in time: /;

async function ask(database: TestDatabase, standby: string): Promise<void> {
  await database.query(`ALTER SYSTEM SET synchronous_standby_names = '${standby}'`);
  await database.query('SELECT pg_reload_conf()');
  const names = async () =>
    (await database.query('SHOW synchronous_standby_names'))[0]?.synchronous_standby_names;
  await waitFor(async () => (await names()) === standby, { what: 'the server to take the setting over' });
}

/** Waits until the work has an end, or waits for the standby: then cancels that wait. */
async function endedOrCancelled<Result>(database: TestDatabase, work: Promise<Result>): Promise<Result> {
  let hasEnded = false;
  const ended = work.finally(() => {
    hasEnded = true;
  });
  const cancel =
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'test' AND wait_event = 'SyncRep'";
  await waitFor(async () => hasEnded || (await database.query(cancel)).length > 0, {
    what: 'the commit to wait for the standby',
  });
  return ended;
}

const report = native('report_root', { instance_id: 'one', user: 'me' });
const messages = {
  heartbeat: heartbeat('one', 5, 'crashed'),
  'report of a backup': backup('one', 'b', 5, { state: 'COMPLETED' }),
  'report of root': report,
  'notification of an error': native('notify_exc_info', { instance_id: 'one', message: 'm', exception: 'e' }),
  'message that is dead': native('heartbeat', { instance_id: 'one', sent: 'x' }),
  'message that is deferred': heartbeat('unknown', 1, 'running'),
};

for (const [name, message] of Object.entries(messages))
  test(`a ${name} is held as long as no commit reaches the standby, however often it comes`, async (t) => {
    const { database } = await startOwnPostgres(t);
    await insertInstances(database, 'one');
    await insertBackup(database, 'b', 'one');
    const context = openContext(t, database);
    await ask(database, 'nobody');
    for (let round = 0; round < 3; round += 1) {
      const [outcome = ''] = await endedOrCancelled(database, apply(context, [message]));
      t.regex(outcome, /^held: /);
      t.regex(outcome, cancelled);
    }
  });

test('a call is not answered as long as no commit reaches the standby, however often it comes', async (t) => {
  const { database } = await startOwnPostgres(t);
  await database.query(ownTables);
  const { context } = callerOn(t, database);
  await ask(database, 'nobody');
  const raw = native(
    'model_create',
    { model: 'thing', values: { name: 'a' } },
    { messageId: 'm', sender: 'api', senderProof: 'subject', isCall: true },
  );
  for (let round = 0; round < 3; round += 1) {
    const call = runCall({ state: context, raw, transport: 'proven', timeout: 5000 });
    const { outcome, heldBecause } = await endedOrCancelled(database, call);
    t.is(outcome, undefined);
    t.regex(heldBecause ?? '', cancelled);
  }
  t.is((await database.query('SELECT FROM things')).length, 1);
});

test('a role that sees no warnings learns of a cancelled wait all the same', async (t) => {
  const { database } = await startOwnPostgres(t);
  await insertInstances(database, 'one');
  await database.query('ALTER ROLE CURRENT_USER SET client_min_messages = error');
  const context = openContext(t, database);
  await ask(database, 'nobody');
  const [outcome = ''] = await endedOrCancelled(database, apply(context, [heartbeat('one', 1, 'running')]));
  t.regex(outcome, cancelled);
});
