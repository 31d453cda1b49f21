import { randomUUID } from 'node:crypto';
import test from 'ava';
import { connect } from '../../src/public/client.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

needs(
  test,
  'nats',
  'postgres',
)(
  'NATS: a call that is made again under its message id is answered again, although the stream drops repeated casts',
  async (t) => {
    const name = `calls-${randomUUID()}`;
    const entry = { kind: 'nats', url: service('nats').url, stream: name, subject: `${name}.*` };
    const database = await createDatabase(t, { migrated: true });
    const conductor = await startConductorHere(t, { database: database.url, transports: { guests: entry } });
    const client = await connect({ transport: entry, sender: 'i1' });
    t.teardown(() => client.close());
    for (let n = 0; n < 3; n += 1)
      t.truthy(await client.call('ping', {}, { messageId: 'the-same', timeout: 5000 }));
    const args = { payload: { service_status: 'running' } } as const;
    for (let n = 0; n < 2; n += 1) await client.cast('heartbeat', args, { messageId: 'another' });
    t.truthy(await client.call('ping', {}, { timeout: 5000 }));
    const account = conductor.counters.get('guests');
    await waitFor(() => account?.outcomes.answered === 4, { what: 'four answered calls to be counted' });
    t.is(account?.received, 5, 'the second cast is dropped by the stream');
  },
);
