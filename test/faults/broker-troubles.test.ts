import { AckPolicy } from '@nats-io/jetstream';
import test, { type ExecutionContext } from 'ava';
import mqtt from 'mqtt';
import type { Browser } from 'playwright-core';
import { ownEdge, startAdminReplica } from '../support/admin.ts';
import { createDatabase } from '../support/database.ts';
import { openPage, startBrowser } from '../support/page.ts';
import { needs, service, services } from '../support/services.ts';
import { heartbeatMessage } from '../support/signed.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { holdMessages, open } from '../transports/nats-support.ts';
import { lockWith } from './databases.ts';

/** Health, the metrics and the status page tell of a consumer that has stalled, and of a session that is taken over. */

const withNats = needs(test, 'nats', 'postgres');
const withMosquitto = needs(test, 'mosquitto', 'postgres');

let browser: Browser;
test.before(async () => {
  if (services.chromium !== undefined) browser = await startBrowser();
});
test.after.always(() => browser?.close());

withNats(
  'a stalled consumer is told with its seconds and a remedy, and the replica stays ready',
  async (t) => {
    const { health, get, scrape, settle } = await stalled(t);
    const told = await waitFor(
      async () => {
        const told = await health();
        return told.transports.guests?.stalled !== undefined && told;
      },
      { what: 'the stall in /health', timeout: 30_000 },
    );
    t.is(told.status, 'degraded');
    t.is((await get('/health/ready')).status, 200);
    const { seconds = 0, because = '' } = told.transports.guests?.stalled ?? {};
    t.true(seconds >= 5, `${seconds}`);
    t.regex(because, /max_ack_pending.*restart nats-server/);
    t.true((await scrape()).sum('conductor_transport_stalled_seconds', { transport: 'guests' }) >= 5);
    settle();
    await waitFor(async () => (await health()).status === 'ok', { what: 'the end of the stall' });
    t.is((await health()).transports.guests?.stalled, undefined);
    t.is((await scrape()).sum('conductor_transport_stalled_seconds'), 0);
  },
);

needs(
  test,
  'nats',
  'postgres',
  'chromium',
)('the status page names a stalled transport', async (t) => {
  const { url } = await stalled(t);
  const page = await openPage(t, browser, url);
  await page.locator('#transports', { hasText: 'stalled' }).waitFor();
  t.regex(
    await page.locator('#held').innerText(),
    /Transport guests has received nothing for \d+ s, although messages wait\. The consumer delivers nothing/,
  );
});

withMosquitto('an adoption is told while it runs, and counted when it ends', async (t) => {
  const { health, get, scrape, release, left } = await adopting(t);
  const told = await waitFor(
    async () => {
      const { status, transports } = await health();
      const { adopting } = transports.edge ?? {};
      return (adopting?.messages ?? 0) > 0 && { status, adopting };
    },
    { what: 'the adoption in /health', timeout: 30_000 },
  );
  t.is(told.status, 'ok');
  t.is((await get('/health/ready')).status, 200);
  t.like(told.adopting, { replica: 'gone', clientId: left });
  t.true((told.adopting?.seconds ?? -1) >= 0);
  t.is((await scrape()).sum('conductor_adopting', { transport: 'edge' }), 1);
  await release();
  await waitFor(async () => (await health()).transports.edge?.adopting === undefined, {
    what: 'the end of the adoption',
  });
  const after = await scrape();
  t.is(after.sum('conductor_adopting'), 0);
  t.is(after.sum('conductor_adoptions_total', { transport: 'edge', end: 'ended' }), 1);
  t.is(after.sum('conductor_adoptions_total'), 1);
  t.is(after.sum('conductor_adopted_messages_total', { transport: 'edge' }), messages);
});

needs(
  test,
  'mosquitto',
  'postgres',
  'chromium',
)('the status page tells whose messages a replica takes over', async (t) => {
  const { url } = await adopting(t);
  const page = await openPage(t, browser, url);
  const line = page.locator('#held li', { hasText: 'replica gone' });
  await line.waitFor();
  t.regex(await line.innerText(), /^This replica has taken over \d+ messages of replica gone/);
});

/** A replica whose consumer counts as many unsettled messages as it may, since another program holds them until `settle`. */
async function stalled(t: ExecutionContext) {
  const { id, broker, manager, publish, addStream, addConsumer } = await open(t);
  await addStream({ retention: 'workqueue' });
  await addConsumer({ ack_policy: AckPolicy.Explicit, ack_wait: 1e9, max_ack_pending: 2 });
  await publish('one', 'two', 'three');
  const settle = await holdMessages(broker, id, 2);
  t.is((await manager.consumers.info(id, 'conductor')).num_ack_pending, 2);
  const { url: database } = await createDatabase(t, { migrated: true });
  const guests = {
    kind: 'nats',
    url: service('nats').url,
    stream: id,
    subject: `test.${id}.*`,
    ackWait: 1000,
  };
  return { ...(await startAdminReplica(t, { database, transports: { guests } })), settle };
}

/** Messages in the session that was left behind. */
const messages = 20;

/** A replica that takes over the session of another one. Its messages cannot be committed before `release`. */
async function adopting(t: ExecutionContext) {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1');
  const { edge, openGuests } = ownEdge();
  const left = `${edge.clientId}-left`;
  const subscription = `$share/${edge.group}/${edge.topic}`;
  const asReplica = { clientId: left, protocolVersion: 5, reconnectPeriod: 0 } as const;
  const gone = await mqtt.connectAsync(edge.url, {
    ...asReplica,
    clean: false,
    properties: { sessionExpiryInterval: 600 },
  });
  t.teardown(async () => {
    const client = await mqtt.connectAsync(edge.url, { ...asReplica, clean: true });
    await client.endAsync();
  });
  await gone.subscribeAsync(subscription, { qos: 1 });
  await gone.endAsync();
  const publish = await openGuests(t);
  for (let sent = 1; sent <= messages; sent += 1)
    await publish('i1', JSON.stringify(heartbeatMessage('i1', sent)));
  await database.query(
    `INSERT INTO replicas (transport, client_id, replica, started_at, seen_at, oldest_unsettled, subscription)
     VALUES ('edge', '${left}', 'gone', now() - interval '2 h', now() - interval '1 h', 0, '${subscription}')`,
  );
  const { release } = await lockWith(t, database, 'LOCK TABLE service_statuses IN EXCLUSIVE MODE');
  const settings = { replica: 'heir', adopt: { after: 1000 }, database: { lockTimeout: 60_000 } };
  const replica = await startAdminReplica(t, { database: database.url, transports: { edge }, settings });
  t.teardown(release);
  return { ...replica, release, left };
}
