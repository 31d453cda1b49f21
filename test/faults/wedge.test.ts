import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Health } from '../../src/admin/health.ts';
import { startConductorProcess } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { startProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { openMosquitto } from './brokers.ts';
import { Fleet } from './fleet.ts';

/** Liveness fails if the replica itself hangs, and only then. */

const manager = fileURLToPath(new URL('programs/hanging-manager.ts', import.meta.url));
/** Milliseconds. Longer than the replica takes to notice that its database is silent. */
const patience = 7000;

async function start(t: ExecutionContext, settings: Record<string, unknown> = {}) {
  const database = await createDatabase(t, { migrated: true });
  const fleet = new Fleet(10);
  await fleet.register(database);
  const proxy = await startProxy(Number(new URL(database.url).port));
  t.teardown(proxy.stop);
  const broker = openMosquitto(service('mosquitto'));
  const port = await freePort();
  const conductor = await startConductorProcess(t, {
    database: proxy.url(database.url),
    transports: { guests: broker.entry() },
    settings: {
      admin: { port },
      health: { wedgedAfter: 1000 },
      calls: { timeout: 100 },
      workers: { threads: 1 },
      shutdown: { deadline: 2000 },
      ...settings,
    },
  });
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const health = async (): Promise<Health> => JSON.parse(await (await get('/health')).text());
  return { database, fleet, proxy, broker, conductor, get, health };
}

needs(
  test,
  'mosquitto',
  'postgres',
)('liveness fails with the reason if a batch never comes back, and the replica stops in time', async (t) => {
  const { fleet, broker, conductor, get, health } = await start(t, { manager });
  t.is((await get('/health/live')).status, 200);
  const [sender = ''] = fleet.instances;
  const body = Buffer.from(
    JSON.stringify({ method: 'hang', args: { instance_id: sender, sent: 1, payload: {} } }),
  );
  await broker.publish([{ sender, body }]);
  const answer = await waitFor(
    async () => {
      const answer = await get('/health/live');
      return answer.status === 503 && answer;
    },
    { what: 'liveness to fail', process: conductor },
  );
  const because =
    'transports.guests: messages are held, and none was settled for 1 s, although the database answers';
  t.deepEqual(await answer.json(), { status: 'wedged', because });
  t.like(await health(), { status: 'wedged', wedgedBecause: because });
  t.is((await get('/health/ready')).status, 503);
  t.like(await conductor.log.line('the replica is wedged: liveness fails, so that it is started again'), {
    because,
  });
  conductor.signal('SIGTERM');
  t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
});

needs(
  test,
  'mosquitto',
  'postgres',
)('liveness does not fail while the database does not answer, nor when it answers again', async (t) => {
  const { database, fleet, proxy, broker, conductor, get, health } = await start(t, {
    health: { wedgedAfter: patience },
  });
  proxy.halfOpen();
  await broker.publish(fleet.heartbeats(10, 'native'));
  let failures = 0;
  const look = setInterval(async () => {
    const answer = await get('/health/live').catch(() => undefined);
    if (answer?.status !== 200) failures += 1;
  }, 50);
  t.teardown(() => clearInterval(look));
  const begin = performance.now();
  await waitFor(async () => (await health()).status === 'held' && performance.now() - begin > 2 * patience, {
    what: 'the messages to be held for twice the patience',
    process: conductor,
    timeout: 30_000,
  });
  await proxy.restore();
  await fleet.arrives(database, conductor);
  t.is(failures, 0);
});
