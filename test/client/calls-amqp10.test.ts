import test from 'ava';
import { connect } from '../../src/public/client.ts';
import { openRabbitmq } from '../faults/brokers.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';

for (const codec of ['native', 'oslo'] as const)
  needs(
    test,
    'rabbitmq',
    'postgres',
  )(
    `AMQP 1.0: a call in the form ${codec} is answered, wherever the form has its reply address`,
    async (t) => {
      const broker = await openRabbitmq(t, service('rabbitmq'), codec);
      const entry = { kind: 'amqp10', url: String(broker.entry().url), codec };
      const database = await createDatabase(t, { migrated: true });
      await startConductorHere(t, { database: database.url, transports: { guests: entry } });
      const client = await connect({ transport: entry, sender: 'i1' });
      t.teardown(() => client.close());
      t.truthy(await client.call('ping', {}, { timeout: 5000 }));
    },
  );
