import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { RemoteError } from '../../src/public/client.ts';
import { connectClient } from '../client/brokers.ts';
import { openRabbitmq } from '../faults/brokers.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { shared } from '../support/shared.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';

/** A service waits for a status over each protocol, while a guest reports. */

interface Test {
  teardown(end: () => Promise<unknown>): void;
}

async function rabbitmqEntries(t: Test) {
  const broker = service('rabbitmq');
  const vhost = `await-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  t.teardown(() => broker.deleteVhost(vhost));
  return { port: broker.port, url };
}

const kinds = [
  {
    label: 'AMQP 0-9-1',
    needed: 'rabbitmq',
    open: async (t: Test) => {
      const { port, url } = await rabbitmqEntries(t);
      return { port, entry: (at = url) => ({ kind: 'amqp091', url: at }), url };
    },
  },
  {
    label: 'AMQP 1.0',
    needed: 'rabbitmq',
    open: async (t: Test) => {
      // It has the queue already: AMQP 1.0 cannot make one.
      const broker = await openRabbitmq(t, service('rabbitmq'), 'native');
      const url = String(broker.entry().url);
      return { port: service('rabbitmq').port, entry: (at = url) => ({ kind: 'amqp10', url: at }), url };
    },
  },
  {
    label: 'NATS',
    needed: 'nats',
    open: async () => {
      const { port, url } = service('nats');
      const stream = `await-${randomUUID()}`;
      return {
        port,
        entry: (at = url) => ({ kind: 'nats', url: at, stream, subject: `${stream}.*` }),
        url,
      };
    },
  },
  {
    label: 'MQTT 5',
    needed: 'mosquitto',
    open: async () => {
      const { port, url } = service('mosquitto');
      const name = `await-${randomUUID().slice(0, 8)}`;
      const entry = (at = url) => ({
        kind: 'mqtt',
        url: at,
        topic: `${name}/+`,
        group: name,
        clientId: name,
      });
      return { port, entry, url };
    },
  },
] as const;

for (const { label, needed, open } of kinds) {
  const test = needs(ava, needed, 'postgres');
  // One after the other, with one replica.
  const serial = needs(ava.serial, needed, 'postgres');

  async function setUp(t: Test, settings = {}) {
    const broker = await open(t);
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'i1');
    const conductor = await startConductorHere(t, {
      database: database.url,
      transports: { broker: broker.entry() },
      settings: { services: { anonymous: { methods: '*' } }, ...settings },
    });
    const counters = conductor.counters.get('broker');
    if (counters === undefined) throw new Error('no counters');
    const { group: _, clientId: __, topic, ...entry }: Record<string, unknown> = broker.entry();
    const clientEntry = (url = broker.url) => ({
      ...entry,
      kind: String(entry.kind),
      url,
      ...(topic !== undefined && { topic }),
    });
    return { broker, database, conductor, counters, clientEntry };
  }

  const replica = shared(ava, setUp);

  serial(
    `${label}: a service learns that an instance has become healthy, and meanwhile casts flow`,
    async (t) => {
      const { counters, clientEntry } = await replica();
      const { answered } = counters.outcomes;
      const service = await connectClient(t, clientEntry(), { sender: 'api' });
      const guest = await connectClient(t, clientEntry(), { sender: 'i1' });
      await guest.cast('heartbeat', { payload: { service_status: 'building' } });
      const waits = Array.from({ length: 5 }, () => service.awaitStatus('i1', ['healthy', 'running']));
      await waitFor(() => counters.held === 5, { what: 'five calls that wait' });
      await guest.cast('heartbeat', { payload: { service_status: 'restarting' } });
      await guest.cast('heartbeat', { payload: { service_status: 'healthy' } });
      for (const wait of waits) t.like(await wait, { instance_id: 'i1', status: 'healthy' });
      await waitFor(() => counters.held === 0, { what: 'the calls to be settled' });
      t.is(counters.outcomes.answered, answered + 5);
      t.is(counters.unexplained, 0);
      t.is((await service.awaitStatus('i1', 'healthy')).now, 'healthy');
    },
  );

  serial(`${label}: a wait in vain ends in time, and names the status`, async (t) => {
    const { database, clientEntry } = await replica();
    await insertInstances(database, 'silent');
    const service = await connectClient(t, clientEntry(), { sender: 'api' });
    // The caller has more patience than the wait, so that a busy machine changes nothing.
    const args = { instance_id: 'silent', status: 'running', timeout: 1 } as const;
    const error = await t.throwsAsync(service.call('await_status', args, { timeout: 60_000 }), {
      instanceOf: RemoteError,
      message: 'the instance has no status after 1 s, not "running"',
    });
    t.is(error?.class, 'Timeout');
  });

  test(`${label}: a wait outlives the connection of the service, and a replica that stops`, async (t) => {
    const { broker, database, conductor, counters, clientEntry } = await setUp(t);
    const proxy = await startProxy(broker.port);
    t.teardown(proxy.stop);
    const service = await connectClient(t, clientEntry(proxy.url(broker.url)), { sender: 'api' });
    const guest = await connectClient(t, clientEntry(), { sender: 'i1' });
    const wait = service.awaitStatus('i1', 'running');
    await waitFor(() => counters.held === 1, { what: 'a call that waits' });
    proxy.cut();
    await waitFor(() => counters.received >= 2, { what: 'the call to come again' });
    await conductor.stop();
    t.is(counters.unexplained, 0);
    t.is(counters.held, 0);
    await startConductorHere(t, {
      database: database.url,
      transports: { broker: broker.entry() },
      settings: { services: { anonymous: { methods: '*' } } },
    });
    await guest.cast('heartbeat', { payload: { service_status: 'running' } });
    t.like(await wait, { status: 'running' });
  });

  test(`${label}: a wait that the conductor refuses rejects at once`, async (t) => {
    const { clientEntry } = await setUp(t, { services: {} });
    const service = await connectClient(t, clientEntry(), { sender: 'api' });
    await t.throwsAsync(service.awaitStatus('i1', 'running'), {
      instanceOf: RemoteError,
      message: /await_status/,
    });
  });
}
