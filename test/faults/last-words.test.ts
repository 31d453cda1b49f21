import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Health } from '../../src/admin/health.ts';
import { type ConductorProcess, spawnConductor, startConductorProcess } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { startProxy, type TcpProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { Fleet } from './fleet.ts';
import { openNats } from './nats-broker.ts';
import { assertStopsInTime } from './stopping.ts';

/** How a replica ends: in good order, at once, and by an error of its own. Each time its messages go back to the broker. */

const messages = 500;
/** Milliseconds that a conductor has to stop. */
const deadline = 4000;
/** Milliseconds in which a second signal counts as the first. */
const sameSignal = 500;
/** Milliseconds after which NATS delivers again what nobody has given back: longer than any of these tests. */
const ackWait = 120_000;

const faultyKind = fileURLToPath(new URL('programs/faulty-transport.ts', import.meta.url));

interface Holding {
  readonly conductor: ConductorProcess;
  readonly fleet: Fleet;
  readonly database: TestDatabase;
  readonly proxy: TcpProxy;
  readonly entry: Record<string, unknown>;
  get(path: string): Promise<Response>;
}

/** A conductor that holds messages of NATS, because its database does not answer. */
async function startHolding(
  t: ExecutionContext,
  { stopWithin = deadline, others = {} }: { stopWithin?: number; others?: Record<string, object> } = {},
): Promise<Holding> {
  const database = await createDatabase(t, { migrated: true });
  const fleet = new Fleet(messages);
  await fleet.register(database);
  const broker = await openNats(service('nats'));
  const proxy = await startProxy(Number(new URL(database.url).port));
  t.teardown(proxy.stop);
  const entry = { ...broker.entry(), ackWait };
  const port = await freePort();
  const conductor = await startConductorProcess(t, {
    database: proxy.url(database.url),
    transports: { guests: entry, ...others },
    settings: { shutdown: { deadline: stopWithin }, admin: { port } },
  });
  proxy.halfOpen();
  await broker.publish(fleet.heartbeats(messages, broker.form));
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const health = async (): Promise<Health> => JSON.parse(await (await get('/health')).text());
  await waitFor(async () => (await health()).transports.guests?.held === messages, {
    what: 'the messages to be held',
    process: conductor,
  });
  return { conductor, fleet, database, proxy, entry, get };
}

/** Another replica gets the messages long before NATS would deliver them again by itself. */
async function assertGivenBack(t: ExecutionContext, { fleet, database, entry }: Holding): Promise<void> {
  const second = await startConductorProcess(t, { database: database.url, transports: { guests: entry } });
  await fleet.arrives(database, second);
  await fleet.assertArrived(t, database);
}

needs(
  test.serial,
  'nats',
  'postgres',
)(
  'a replica that drains is not ready, but live, and gives its messages back within the deadline',
  async (t) => {
    const holding = await startHolding(t);
    const { conductor, get } = holding;
    const begin = performance.now();
    conductor.signal('SIGTERM');
    const status = await waitFor(
      async () => {
        const { status }: { status: string } = JSON.parse(await (await get('/health/ready')).text());
        return status === 'stopping' && status;
      },
      { what: 'the replica to say that it stops', process: conductor },
    );
    t.is(status, 'stopping');
    t.is((await get('/health/ready')).status, 503);
    t.is((await get('/health/live')).status, 200);
    t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
    const took = performance.now() - begin;
    t.true(took < deadline, `it took ${took} ms`);
    t.like(await conductor.log.line('stopped'), { received: messages, released: messages });
    await assertGivenBack(t, holding);
  },
);

needs(
  test.serial,
  'nats',
  'postgres',
)(
  'a second signal ends a replica at once, with exit code 1, and its messages go back to the broker',
  async (t) => {
    const holding = await startHolding(t, { stopWithin: 600_000 });
    const { conductor } = holding;
    const first = performance.now();
    conductor.signal('SIGTERM');
    await conductor.log.line('stopping');
    await waitFor(() => performance.now() - first > sameSignal + 200, { what: 'the second signal to count' });
    const second = performance.now();
    conductor.signal('SIGTERM');
    t.deepEqual(await conductor.exited, { code: 1, signal: null }, conductor.output());
    const took = performance.now() - second;
    t.true(took < 1500, `it took ${took} ms`);
    await assertGivenBack(t, holding);
  },
);

for (const [mistake, origin] of [
  ['throw', 'uncaughtException'],
  ['reject', 'unhandledRejection'],
] as const) {
  needs(
    test.serial,
    'nats',
    'postgres',
  )(`an ${origin} ends a replica with one masked line, and its messages go back to the broker`, async (t) => {
    const password = 'a-secret-of-the-broker';
    const others = { faulty: { kind: faultyKind, mistake, password } };
    const holding = await startHolding(t, { others });
    const { conductor } = holding;
    const before = conductor.stderr().split('\n').length;
    conductor.signal('SIGUSR2');
    t.deepEqual(await conductor.exited, { code: 1, signal: null }, conductor.output());
    const lines = conductor
      .stderr()
      .split('\n')
      .slice(before - 1, -1);
    t.is(lines.length, 1, lines.join('\n'));
    const line: Record<string, unknown> = JSON.parse(lines[0] ?? '');
    t.like(line, { level: 'fatal', origin, error: 'the broker said: wrong password ***\nin its own words' });
    t.regex(JSON.stringify(line.stack), /faulty-transport\.ts:\d+/);
    t.false(conductor.output().includes(password));
    await assertGivenBack(t, holding);
  });
}

needs(
  test.serial,
  'nats',
  'postgres',
)('a replica ends within its deadline although a transport of the deployer never closes', async (t) => {
  const others = { faulty: { kind: faultyKind, mistake: 'none', endless: true } };
  const { conductor } = await startHolding(t, { others });
  await assertStopsInTime(t, conductor, deadline);
});

needs(test.serial, 'postgres')(
  'a replica that waits for a silent database ends at once when it is asked to',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const proxy = await startProxy(Number(new URL(database.url).port));
    t.teardown(proxy.stop);
    proxy.halfOpen();
    const conductor = spawnConductor(t, {
      database: proxy.url(database.url),
      transports: { dead: { kind: 'amqp091', url: 'amqp://127.0.0.1:1' } },
      settings: { shutdown: { deadline } },
    });
    await waitFor(() => proxy.connections === 1, {
      what: 'the database to be tried',
      process: conductor,
      timeout: 30_000,
    });
    await assertStopsInTime(t, conductor, deadline);
  },
);
