import test, { type ExecutionContext } from 'ava';
import { type ConductorProcess, spawnConductor } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { startNats } from '../support/nats.ts';
import { startProxy, type TcpProxy } from '../support/proxy.ts';
import { startRabbitmq } from '../support/rabbitmq.ts';
import type { Server } from '../support/server.ts';
import { needs } from '../support/services.ts';
import { brokerKinds } from './broker-kinds.ts';
import { openMosquitto, openRabbitmq, openRabbitmqAmqp10, type TestBroker } from './brokers.ts';
import { slowDown } from './databases.ts';
import { Fleet } from './fleet.ts';
import { openNats } from './nats-broker.ts';

const messages = 8000;
/** Published after the interruption. */
const later = 1000;
const instances = 500;
/** Seconds between two signs of life. */
const keepalive = 1;
/** Milliseconds: two of them in silence, and what a busy machine takes. By default it would be twenty seconds, without them hours. */
const patience = 8000;

for (const { label, service, open } of brokerKinds) {
  needs(
    test.serial,
    service,
    'postgres',
  )(`${label}: a connection that is cut is made again, and nothing is lost`, async (t) => {
    const { draining, proxy } = await startDraining(t, await open(t));
    proxy.cut();
    await draining.conductor.log.line('not connected');
    await finishes(t, draining);
  });

  needs(
    test.serial,
    service,
    'postgres',
  )(`${label}: a connection that falls silent is dropped and made again, and nothing is lost`, async (t) => {
    const { draining, proxy } = await startDraining(t, await open(t));
    const { log } = draining.conductor;
    proxy.halfOpen();
    const begin = performance.now();
    await log.line('not connected');
    const noticed = performance.now() - begin;
    t.true(noticed < patience, `it took ${noticed} ms`);
    // The next connection leads nowhere as well.
    await log.line('not connected', 2);
    await proxy.restore();
    await finishes(t, draining);
  });
}

/** Brokers of our own, for they are restarted: RabbitMQ's queue and messages are durable, Mosquitto keeps its sessions, NATS its stream. */
const servers: ReadonlyArray<(t: ExecutionContext) => Promise<{ server: Server; broker: TestBroker }>> = [
  async (t) => {
    const server = await startRabbitmq();
    t.teardown(server.kill);
    return { server, broker: await openRabbitmq(t, server, 'oslo') };
  },
  async (t) => {
    const server = await startRabbitmq();
    t.teardown(server.kill);
    return { server, broker: await openRabbitmqAmqp10(t, server) };
  },
  async (t) => {
    const server = await startMosquitto();
    t.teardown(server.kill);
    return { server, broker: openMosquitto(server) };
  },
  async (t) => {
    const server = await startNats();
    t.teardown(server.kill);
    return { server, broker: await openNats(server, { restarted: true }) };
  },
];

for (const [index, { label, service }] of brokerKinds.entries()) {
  const startServer = servers[index];
  if (startServer === undefined) continue;
  needs(
    test.serial,
    service,
    'postgres',
  )(`${label}: the conductor connects again to a restarted broker, and nothing is lost`, async (t) => {
    const { server, broker } = await startServer(t);
    const { draining } = await startDraining(t, broker);
    await server.restart();
    // Mosquitto 2.0.11 forgets shared subscriptions over a restart: until a replica has subscribed again, what is published
    // has nobody to wait for. That loss is the broker's, and docs/operating.md tells of it.
    await draining.conductor.log.line('consuming', 2);
    await finishes(t, draining);
  });
}

interface Draining {
  readonly fleet: Fleet;
  readonly broker: TestBroker;
  readonly database: TestDatabase;
  readonly conductor: ConductorProcess;
}

/** A conductor in the middle of its work. */
async function startDraining(
  t: ExecutionContext,
  broker: TestBroker,
): Promise<{ draining: Draining; proxy: TcpProxy }> {
  const database = await createDatabase(t, { migrated: true });
  const fleet = new Fleet(instances);
  await fleet.register(database);
  await slowDown(database);
  await broker.keep();
  await broker.publish(fleet.heartbeats(messages, broker.form));
  const proxy = await startProxy(broker.port);
  t.teardown(proxy.stop);
  const conductor = spawnConductor(t, {
    database: database.url,
    transports: { guests: { ...broker.entry({ proxy, keepalive }), connectTimeout: 1000 } },
    // Each attempt has a line.
    settings: { log: { level: 'debug' } },
  });
  await fleet.reaches(0.2, database, conductor);
  return { draining: { fleet, broker, database, conductor }, proxy };
}

/** It goes on by itself with what was left and what comes, and ends with nothing lost and nothing left. */
async function finishes(
  t: ExecutionContext,
  { fleet, broker, database, conductor }: Draining,
): Promise<void> {
  t.true((await fleet.progress(database)) < 1, 'it happened in the middle');
  await broker.publish(fleet.heartbeats(later, broker.form));
  await fleet.arrives(database, conductor);
  // What was held when it happened is older than what has arrived, and may still be on its way.
  if (broker.redeliversLast) await broker.isEmptied();
  t.true(conductor.log.lines('not connected').length > 0);
  conductor.signal('SIGTERM');
  t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
  await fleet.assertArrived(t, database);
  t.true(await broker.isEmptied());
  const account = await conductor.log.line('stopped');
  t.is(account.dead, 0);
  t.true(Number(account.redelivered) > 0, 'it happened before everything was acknowledged');
  t.log(account);
}
