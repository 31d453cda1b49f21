import test from 'ava';
import { spawnConductor } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { needs } from '../support/services.ts';
import { brokerKinds } from './broker-kinds.ts';
import { lockWith, slowDown } from './databases.ts';
import { Fleet } from './fleet.ts';

const messages = 20_000;
const instances = 1000;
/** Which part of the messages has been committed when a conductor's acknowledgements begin to come late. */
const parts = [0.1, 0.3, 0.5];
/**
 * Milliseconds that the acknowledgements are late: long enough that none of them reaches the broker before the kill, however busy
 * the machine is.
 */
const late = 5000;

for (const { label, service, open } of brokerKinds) {
  needs(
    test,
    service,
    'postgres',
  )(
    `${label}: a conductor that is killed between commit and acknowledgement loses nothing and applies no older message`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      const fleet = new Fleet(instances);
      await fleet.register(database);
      await slowDown(database);
      const broker = await open(t);
      const proxy = await startProxy(broker.port);
      t.teardown(proxy.stop);
      await broker.keep();
      await broker.publish(fleet.heartbeats(messages, broker.form));
      const start = () =>
        spawnConductor(t, {
          database: database.url,
          transports: { guests: broker.entry({ proxy }) },
          settings: { maxInFlight: 2000, database: { lockTimeout: 60_000 } },
        });

      /** What the last victim has committed, without an acknowledgement that the broker has. */
      let unacknowledged = 0;
      for (const part of parts) {
        const beginning = await fleet.changes(database);
        const victim = start();
        await fleet.reaches(part, database, victim);
        // The one before may have come so far; the network must not change before this one is connected.
        await fleet.changesReach(beginning + 1, database, victim);
        // Nothing is committed between the last acknowledgement in time and the first late one.
        const everything = await lockWith(t, database, 'LOCK TABLE service_statuses IN EXCLUSIVE MODE');
        proxy.delay(late);
        const before = await fleet.changes(database);
        await everything.release();
        // The first of them, no more: what is committed next may have waited for the slow network, as long as the acknowledgement of
        // the first one does.
        await fleet.changesReach(before + 1, database, victim);
        t.deepEqual(await victim.kill(), { code: null, signal: 'SIGKILL' });
        // With it goes what it had sent and the broker does not have yet.
        proxy.cut();
        proxy.delay(0);
        unacknowledged = (await fleet.changes(database)) - before;
        t.true((await fleet.progress(database)) < 1, 'it was killed in the middle');
      }

      const last = start();
      await fleet.arrives(database, last);
      // What the victims held is older than what has arrived, and may still be on its way.
      if (broker.redeliversLast) await broker.isEmptied();
      last.signal('SIGTERM');
      t.deepEqual(await last.exited, { code: 0, signal: null }, last.output());
      await fleet.assertArrived(t, database);
      t.true(await broker.isEmptied());

      const account = await last.log.line('stopped');
      const { received, redelivered, applied, stale, duplicate, deferred, released } = account;
      t.log(account);
      t.is(account.dead, 0);
      const accounted = [applied, stale, duplicate, deferred, released].map(Number);
      t.is(
        accounted.reduce((sum, count) => sum + count, 0),
        Number(received),
      );
      // What the last victim had committed and not acknowledged comes again. It is a duplicate or, where a newer one of the same guest
      // has been faster, stale.
      const again = Number(duplicate) + Number(stale);
      t.true(unacknowledged > 0);
      t.true(again >= unacknowledged, `${again} of ${unacknowledged} that were committed came again`);
      t.true(Number(redelivered) >= Number(duplicate));
      const counted = await broker.redelivered();
      t.log({ counted });
      t.true((counted ?? Number.POSITIVE_INFINITY) > 0, 'the broker, too, has counted redeliveries');
    },
  );
}
