import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { brokerKinds } from './broker-kinds.ts';
import { lockWith } from './databases.ts';
import { Fleet } from './fleet.ts';

const instances = 300;
/** How often every guest reports right after the row was locked, and how often again once it has been for long. */
const reports = 10;
const later = 2;
/** Milliseconds that the row stays locked. */
const hold = 30_000;

for (const { label, service, open } of brokerKinds) {
  // Side by side: what takes its time is waiting.
  needs(
    test,
    service,
    'postgres',
  )(
    `${label}: a row that another session has locked for ${hold / 1000} s delays only its own messages`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      const fleet = new Fleet(instances);
      await fleet.register(database);
      const broker = await open(t);
      const conductor = await startConductorHere(t, {
        database: database.url,
        transports: { guests: broker.entry() },
      });
      await broker.publish(fleet.heartbeats(instances, broker.form));
      await fleet.arrives(database);

      const [locked = ''] = fleet.instances;
      const row = await lockWith(
        t,
        database,
        'SELECT FROM service_statuses WHERE instance_id = $1 FOR UPDATE',
        [locked],
      );
      const over = sleep(hold);
      const before = await sentOf(database, locked);
      await broker.publish(fleet.heartbeats(reports * instances, broker.form));
      await fleet.arrives(database, undefined, [locked]);
      // Others may be deferred as well, for as long as a batch that waits for the locked row has locked theirs.
      const onlyThat = [{ method: 'heartbeat', key: locked, reason: 'locked' }];
      await waitFor(async () => isDeepStrictEqual(await deferred(database), onlyThat), {
        what: 'the message about the locked row, and no other, to be deferred',
      });
      await over;
      // Still locked: the retries of deferred messages have not got in the way of anything either.
      await broker.publish(fleet.heartbeats(later * instances, broker.form));
      await fleet.arrives(database, undefined, [locked]);
      t.is(await sentOf(database, locked), before);
      t.deepEqual(conductor.log.lines('messages are held, nothing is lost'), []);

      await row.release();
      await fleet.arrives(database);
      await waitFor(async () => (await deferred(database)).length === 0, {
        what: 'nothing to be deferred any more',
      });
      await fleet.assertArrived(t, database);
      const account = conductor.counters.get('guests');
      t.is(account?.received, (1 + reports + later) * instances);
      t.is(account?.unexplained, 0);
      t.is(account?.outcomes.dead, 0);
      t.true((account?.outcomes.deferred ?? 0) > 0);
      t.log(account?.outcomes);
    },
  );
}

async function sentOf(database: TestDatabase, instance: string): Promise<number | undefined> {
  const rows = await database.query<{ sent: number }>(
    'SELECT sent FROM service_statuses WHERE instance_id = $1',
    [instance],
  );
  return rows[0]?.sent;
}

function deferred(database: TestDatabase) {
  return database.query('SELECT method, key, reason FROM deferred');
}
