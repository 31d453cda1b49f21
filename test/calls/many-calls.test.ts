import { randomUUID } from 'node:crypto';
import test from 'ava';
import { callMany } from '../../bench/caller.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

needs(
  test,
  'rabbitmq',
  'postgres',
)('no call of 2,000 is lost or answered twice, with 32 at once', async (t) => {
  const broker = service('rabbitmq');
  const vhost = `calls-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  t.teardown(() => broker.deleteVhost(vhost));
  const { url: database } = await createDatabase(t, { migrated: true });
  const conductor = await startConductorHere(t, {
    database,
    transports: { rabbit: { kind: 'amqp091', url } },
  });
  const calls = 2000;
  const figures = await callMany(url, { calls, inFlight: 32 });
  t.log(`p50 ${figures.p50.toFixed(1)} ms, p99 ${figures.p99.toFixed(1)} ms`);
  t.like(figures, { answered: calls, surplus: 0, errors: 0 });
  const account = conductor.counters.get('rabbit');
  await waitFor(() => account?.held === 0, { what: 'all to be settled' });
  t.like(account, { received: calls, redelivered: 0, unexplained: 0 });
  t.is(account?.outcomes.answered, calls);
});
