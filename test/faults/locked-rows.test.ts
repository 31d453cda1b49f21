import test from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { brokerKinds } from './broker-kinds.ts';
import { lockWith } from './databases.ts';
import { Fleet } from './fleet.ts';

const instances = 1000;
/** Heartbeats while rows are locked: five of each instance. */
const messages = 5000;
/** Milliseconds from the last publish until all others are committed. */
const patience = 3000;
/** The same once it is known which rows are locked. */
const patienceThen = 1000;

for (const { label, service, open } of brokerKinds.filter(({ label }) => label === 'MQTT 5')) {
  for (const locked of [1, 20, 200]) {
    needs(
      test.serial,
      service,
      'postgres',
    )(
      `${label}: with ${locked} locked rows under ${messages} messages the rest is committed within ${patience} ms`,
      async (t) => {
        const database = await createDatabase(t, { migrated: true });
        const fleet = new Fleet(instances);
        await fleet.register(database);
        const broker = await open(t);
        const conductor = await startConductorHere(t, {
          database: database.url,
          transports: { guests: broker.entry() },
          settings: { workers: { threads: 2 } },
        });
        await broker.publish(fleet.heartbeats(instances, broker.form));
        await fleet.arrives(database);
        // Spread over the fleet, so that each batch meets some of them.
        const step = Math.floor(instances / locked);
        const held = fleet.instances.filter((_, index) => index % step === 0).slice(0, locked);
        const rows = await lockWith(
          t,
          database,
          'SELECT FROM service_statuses WHERE instance_id = ANY($1) FOR UPDATE',
          [held],
        );
        const restIsCommitted = async (count: number) => {
          await broker.publish(fleet.heartbeats(count, broker.form));
          const begin = performance.now();
          await fleet.arrives(database, undefined, held);
          return performance.now() - begin;
        };
        const first = await restIsCommitted(messages);
        const then = await restIsCommitted(instances);
        t.log(`the rest: ${Math.round(first)} ms; of the next ${instances}: ${Math.round(then)} ms`);
        t.true(first < patience);
        t.true(then < patienceThen);
        t.deepEqual(conductor.log.lines('messages are held, nothing is lost'), []);
        await rows.release();
        await fleet.arrives(database);
        await fleet.assertArrived(t, database);
        t.is(conductor.counters.get('guests')?.outcomes.dead, 0);
      },
    );
  }
}
