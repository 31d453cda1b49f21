import test from 'ava';
import { deadBroker as dead, ownEdge, startAdminReplica } from '../support/admin.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { heartbeatMessage } from '../support/signed.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';

/** A scrape of a replica that has worked. */

const withBroker = needs(test, 'mosquitto', 'postgres');

withBroker('a scrape accounts for every message by outcome, method and reason', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1');
  const { edge, openGuests } = ownEdge();
  const { scrape } = await startAdminReplica(t, {
    database: database.url,
    transports: { edge },
    settings: { replica: 'one' },
  });
  const publish = await openGuests(t);
  const sent = Date.now() / 1000;
  const heartbeat = (instance: string) => JSON.stringify(heartbeatMessage(instance, sent));
  for (const body of [
    heartbeat('i1'),
    heartbeat('unknown'),
    'no json',
    JSON.stringify({ method: 'made-up-by-a-sender', args: {} }),
  ])
    await publish('i1', body);
  const found = await waitFor(
    async () => {
      const scraped = await scrape();
      return scraped.sum('conductor_messages_settled_total') >= 4 ? scraped : false;
    },
    { what: 'four messages to be settled' },
  );
  const edgeOf = (metric: string, labels = {}) => found.sum(metric, { transport: 'edge', ...labels });
  t.is(edgeOf('conductor_messages_received_total'), 4);
  t.is(edgeOf('conductor_messages_settled_total', { outcome: 'applied' }), 1);
  t.is(edgeOf('conductor_messages_settled_total', { outcome: 'deferred' }), 1);
  t.is(edgeOf('conductor_messages_settled_total', { outcome: 'dead' }), 2);
  t.is(edgeOf('conductor_method_outcomes_total', { method: 'heartbeat', outcome: 'applied' }), 1);
  t.is(edgeOf('conductor_method_outcomes_total', { method: '(other)', outcome: 'dead' }), 2);
  t.false(found.text.includes('made-up-by-a-sender'));
  t.is(edgeOf('conductor_dead_letters_total', { reason: 'not_json' }), 1);
  t.is(edgeOf('conductor_dead_letters_total', { reason: 'unknown_method' }), 1);
  t.is(edgeOf('conductor_unexplained_messages'), 0);
  t.is(edgeOf('conductor_send_to_commit_seconds_count'), 2);
  t.is(edgeOf('conductor_receive_to_commit_seconds_count'), 4);
  t.is(edgeOf('conductor_commit_to_settle_seconds_count'), 4);
  t.is(edgeOf('conductor_batch_messages_sum'), 4);
  const latency = edgeOf('conductor_receive_to_commit_seconds_sum');
  t.true(latency > 0 && latency < 60, `${latency}`);
  t.is(edgeOf('conductor_transport_state', { state: 'consuming' }), 1);
  t.is(edgeOf('conductor_transport_connects_total'), 1);
  t.is(found.sum('conductor_held'), 0);
  t.is(found.sum('conductor_database_up'), 1);
  t.is(found.sum('conductor_ready'), 1);
  t.is(found.sum('conductor_info', { replica: 'one' }), 1);
  const utilisation = found.sum('conductor_utilisation');
  t.true(utilisation >= 0 && utilisation <= 1, `${utilisation}`);
  t.true(found.sum('process_resident_memory_bytes') > 1e6);
  t.regex(found.contentType, /^application\/openmetrics-text; version=1\.0\.0/);
  t.true(found.text.endsWith('\n# EOF\n'));
  t.is(found.text.split('# EOF').length, 2);
});

withBroker('the buckets of a histogram are cumulated, and the last one has all values', async (t) => {
  const { url: database } = await createDatabase(t, { migrated: true });
  const { edge, openGuests } = ownEdge();
  const { scrape } = await startAdminReplica(t, { database, transports: { edge } });
  const publish = await openGuests(t);
  for (let index = 0; index < 20; index += 1) await publish('i', 'x');
  const { samples, types, sum } = await waitFor(
    async () => {
      const scraped = await scrape();
      return scraped.sum('conductor_receive_to_commit_seconds_count') === 20 ? scraped : false;
    },
    { what: 'twenty messages in the histogram' },
  );
  for (const [metric, type] of types) {
    if (type !== 'histogram' || !metric.startsWith('conductor_')) continue;
    const buckets = samples.filter((sample) => sample.name === `${metric}_bucket`).map(({ value }) => value);
    t.deepEqual(
      buckets,
      buckets.toSorted((a, b) => a - b),
      metric,
    );
    t.is(sum(`${metric}_bucket`, { le: '+Inf' }), sum(`${metric}_count`), metric);
  }
});

needs(test, 'postgres')('the rows of the tables are counted, and a lost broker is told', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1');
  await database.query(
    `INSERT INTO dead_letters (transport, reason, body_size, body_digest)
     SELECT 'dead', 'not_json', 0, '' FROM generate_series(1, 1500);
     INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at)
     VALUES ('heartbeat', 'k', 'i9', 'elsewhere', '{}', 'unknown', now() - interval '1 hour')`,
  );
  await database.query('ANALYZE dead_letters');
  const { scrape } = await startAdminReplica(t, {
    database: database.url,
    transports: { dead },
    reachable: 0,
  });
  const found = await waitFor(
    async () => {
      const scraped = await scrape();
      const { samples, sum } = scraped;
      return samples.some(({ name }) => name === 'conductor_table_rows') &&
        sum('conductor_transport_failures_total') > 0
        ? scraped
        : false;
    },
    { what: 'the counts of the tables' },
  );
  t.is(found.sum('conductor_table_rows', { table: 'deferred' }), 1);
  // An estimate: Postgres may count new rows twice for a moment, as inserted and as found by ANALYZE.
  const letters = found.sum('conductor_table_rows', { table: 'dead_letters' });
  t.true(letters === 1500 || letters === 3000, `${letters}`);
  t.is(found.sum('conductor_table_rows', { table: 'notification_outbox' }), 0);
  t.true(found.sum('conductor_deferred_overdue_seconds') > 3500);
  t.is(found.sum('conductor_outbox_oldest_seconds'), 0);
  t.is(found.sum('conductor_ready'), 0);
});

withBroker('a scrape tells that messages are held, and why', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1');
  const { edge, openGuests } = ownEdge();
  const { scrape } = await startAdminReplica(t, { database: database.url, transports: { edge } });
  await database.query(
    `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET default_transaction_read_only = on`,
  );
  await database.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  const publish = await openGuests(t);
  await publish('i1', JSON.stringify(heartbeatMessage('i1')));
  const found = await waitFor(
    async () => {
      const scraped = await scrape();
      return scraped.sum('conductor_held') === 1 && scraped;
    },
    { what: 'the message to be held' },
  );
  t.is(found.sum('conductor_held', { cause: 'database-read-only' }), 1);
  t.is(found.sum('conductor_database_up'), 0);
  t.is(found.sum('conductor_ready'), 0);
  t.is(found.sum('conductor_messages_in_memory'), 1);
  t.is(found.sum('conductor_unexplained_messages'), 0);
});
