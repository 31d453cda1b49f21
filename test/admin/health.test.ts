import test, { type ExecutionContext } from 'ava';
import { type Health, healthOf, isReady } from '../../src/admin/health.ts';
import { Counters } from '../../src/core/gateway/counters.ts';
import type { SupervisorState } from '../../src/core/gateway/supervisor.ts';
import type { Stall } from '../../src/core/transport/contract.ts';
import { deadBroker as dead, ownEdge, startAdminReplica } from '../support/admin.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

function health(
  states: readonly SupervisorState[],
  heldBecause?: string,
  putAsideBecause?: string,
  stall?: Stall,
): Health {
  const names = states.map((_, index) => `transport ${index}`);
  return healthOf({
    counters: new Map(names.map((name) => [name, new Counters()])),
    heldBecause,
    heldSince: heldBecause === undefined ? undefined : 1_700_000_000_000,
    putAsideBecause,
    durability: { required: 'nothing', survives: 'power', database: undefined, transports: {} },
    wedgedBecause: undefined,
    isStopping: false,
    mask: (text) => text.replace('secret', '***'),
    clocks: () => ({ ahead: { count: 0, guests: [] }, muted: { count: 0, guests: [] } }),
    states: () =>
      Object.fromEntries(
        states.map((state, index) => [
          names[index],
          { state, lastError: 'no secret', lastErrorAt: 1_700_000_000_123, stall, adopting: undefined },
        ]),
      ),
  });
}

for (const [states, heldBecause, status, ready] of [
  [['consuming', 'consuming'], undefined, 'ok', true],
  [['consuming', 'waiting'], undefined, 'degraded', true],
  [['consuming', 'consuming'], 'the database is gone', 'held', false],
  [['parked', 'parked'], 'the database is gone', 'held', false],
  [['waiting', 'connecting'], undefined, 'down', false],
  [['stopped'], undefined, 'down', false],
] as const) {
  test(`transports that are ${states.join(' and ')}${heldBecause ? ', while messages are held,' : ''} give the status ${status}`, (t) => {
    const found = health(states, heldBecause);
    t.is(found.status, status);
    t.is(isReady(found), ready);
  });
}

test('a replica that puts all messages of a method aside is degraded, and names the reason', (t) => {
  const found = health(['consuming'], undefined, 'heartbeat: a column is missing');
  t.is(found.status, 'degraded');
  t.is(found.putAsideBecause, 'heartbeat: a column is missing');
});

test('a replica whose broker has stalled is degraded, and still ready', (t) => {
  const found = health(['consuming'], undefined, undefined, {
    since: performance.now() - 90_000,
    because: 'the consumer of secret is full',
  });
  t.is(found.status, 'degraded');
  t.true(isReady(found));
  t.deepEqual(found.transports['transport 0']?.stalled, {
    seconds: 90,
    because: 'the consumer of *** is full',
  });
});

test('the last error and a hold have their times, in ISO 8601', (t) => {
  const found = health(['waiting'], 'the database is gone');
  t.like(found.transports['transport 0'], {
    lastError: 'no ***',
    lastErrorAt: '2023-11-14T22:13:20.123Z',
  });
  t.is(found.heldSince, '2023-11-14T22:13:20.000Z');
  t.is(health(['consuming']).heldSince, undefined);
});

async function start(
  t: ExecutionContext,
  transports: Record<string, Record<string, unknown>>,
  reachable: number,
) {
  const { url: database } = await createDatabase(t, { migrated: true });
  return startAdminReplica(t, { database, transports, reachable });
}

needs(
  test,
  'mosquitto',
  'postgres',
)('/health reports the state of each transport', async (t) => {
  const { get, health } = await start(t, { edge: ownEdge().edge, dead }, 1);
  const told = await waitFor(
    async () => {
      const told = await health();
      return told.transports.dead?.lastError !== undefined && told;
    },
    { what: 'the dead broker to be noticed' },
  );
  t.is(told.status, 'degraded');
  t.like(told.transports, { edge: { state: 'consuming', received: 0, held: 0 } });
  t.regex(told.transports.dead?.lastError ?? '', /ECONNREFUSED/);
  const at = Date.parse(told.transports.dead?.lastErrorAt ?? '');
  t.true(Math.abs(Date.now() - at) < 60_000, told.transports.dead?.lastErrorAt);
  t.is(told.transports.edge?.lastErrorAt, undefined);
  t.is((await get('/health/ready')).status, 200);
  t.is((await get('/health/live')).status, 200);
  t.is((await get('/elsewhere')).status, 404);
});

needs(test, 'postgres')('a replica without any broker is live, but not ready', async (t) => {
  const { get } = await start(t, { dead }, 0);
  t.is((await get('/health/live')).status, 200);
  const ready = await get('/health/ready');
  t.is(ready.status, 503);
  t.deepEqual(await ready.json(), { status: 'down' });
});

needs(test, 'postgres')('a port that is in use is a configuration error', async (t) => {
  const { url } = await createDatabase(t, { migrated: true });
  const port = service('postgres').port;
  const error = await t.throwsAsync(
    startConductorHere(t, {
      database: url,
      transports: { dead },
      reachable: 0,
      settings: { admin: { port } },
    }),
  );
  t.is(error?.name, 'ConfigError');
  t.regex(
    error?.message ?? '',
    /^admin: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*; set admin\.port, or CONDUCTOR_ADMIN__PORT, to a free port$/,
  );
});

needs(test, 'postgres')(
  'the error of a host that is not of this machine does not blame the port',
  async (t) => {
    const { url } = await createDatabase(t, { migrated: true });
    const settings = { admin: { host: '192.0.2.1', port: 8080 } };
    const error = await t.throwsAsync(
      startConductorHere(t, { database: url, transports: { dead }, reachable: 0, settings }),
    );
    t.regex(error?.message ?? '', /^admin: cannot listen on 192\.0\.2\.1:8080: .*EADDRNOTAVAIL/);
    t.notRegex(error?.message ?? '', /free port/);
  },
);

needs(test, 'postgres')(
  'the functions of a replica may be passed on by themselves, as the end of a process does',
  async (t) => {
    const { url } = await createDatabase(t, { migrated: true });
    const { states, clocks, abandon, stop, reload } = await startConductorHere(t, {
      database: url,
      transports: { dead },
      reachable: 0,
    });
    t.deepEqual(Object.keys(states()), ['dead']);
    t.is(clocks().muted.count, 0);
    t.is(typeof reload, 'function');
    await t.notThrowsAsync(abandon());
    await t.notThrowsAsync(stop());
  },
);
