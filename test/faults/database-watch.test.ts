import { mock } from 'node:test';
import test from 'ava';
import { pino } from 'pino';
import { DatabaseProbe } from '../../src/database/probe.ts';
import type { Query } from '../../src/database/query.ts';
import { DatabaseWatch } from '../../src/jobs/database-watch.ts';
import { tick } from '../core/gateway/support.ts';
import { ownEdge, startAdminReplica } from '../support/admin.ts';
import { createDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { makeReadOnly, startOwnPostgres } from './databases.ts';

/** A database that goes while nothing arrives is noticed, and when it comes back as well. */

test.serial(
  'the watch asks the database at intervals unless messages are committed, and logs changes only',
  async (t) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    t.teardown(() => mock.timers.reset());
    const lines: unknown[] = [];
    const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
    let problem: string | undefined;
    let asked = 0;
    let committed = 0;
    const watch = new DatabaseWatch({
      probe: async () => {
        asked += 1;
        return problem;
      },
      committed: () => committed,
      isHeld: () => false,
      interval: 1000,
      logger,
    });
    t.teardown(() => watch.stop());
    const pass = async () => {
      await tick();
      mock.timers.tick(1000);
      await tick();
    };
    watch.start();
    await pass();
    t.is(asked, 2);
    committed = 10;
    await pass();
    t.is(asked, 2, 'they prove it');
    problem = 'nobody listens';
    for (let n = 0; n < 5; n += 1) await pass();
    t.is(watch.problem, 'nobody listens');
    const since = watch.problemSince;
    t.not(since, undefined);
    await pass();
    t.is(watch.problemSince, since, 'it is the same outage');
    problem = undefined;
    await pass();
    t.is(watch.problem, undefined);
    t.is(watch.problemSince, undefined);
    t.deepEqual(lines, [
      'the database is away: new messages will be held, none is lost',
      'the database answers again',
    ]);
  },
);

needs(
  test,
  'mosquitto',
  'postgres',
)(
  'a replica is not ready while Postgres is stopped and nothing arrives, and is ready again once Postgres is back',
  async (t) => {
    const { postgres, database } = await startOwnPostgres(t);
    const { edge } = ownEdge();
    const replica = await startAdminReplica(t, { database: database.url, transports: { edge } });
    const { log } = replica.conductor;
    const ready = async () => (await replica.get('/health/ready')).status;
    t.is(await ready(), 200);
    await postgres.stop();
    await waitFor(async () => (await ready()) === 503, { what: 'it to say that it is not ready' });
    // At first the server says that it is shutting down.
    const health = await waitFor(
      async () => {
        const told = await replica.health();
        return /cannot be reached: .*ECONNREFUSED/.test(told.heldBecause ?? '') && told;
      },
      { what: 'it to say why' },
    );
    t.is(health.status, 'held');
    t.true(Math.abs(Date.now() - Date.parse(health.heldSince ?? '')) < 60_000, health.heldSince);
    await log.line('the database is away: new messages will be held, none is lost');
    await postgres.restart();
    await waitFor(async () => (await ready()) === 200, { what: 'it to say that it is ready' });
    await log.line('the database answers again');
  },
);

needs(test, 'postgres')(
  'the watch tells a server that does not answer, and one that cannot write, from one that is well',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const proxy = await startProxy(Number(new URL(database.url).port));
    t.teardown(proxy.stop);
    const probe = new DatabaseProbe({ url: proxy.url(database.url) }, 'test');
    t.teardown(() => probe.close());
    t.deepEqual(await Promise.all([probe.ask(), probe.ask()]), [undefined, undefined]);
    t.is(await probe.ask(), undefined);
    const backend = (query: Query) => query('SELECT pg_backend_pid() AS pid');
    await Promise.all([probe.ask(), probe.read(backend), probe.ask()]);
    t.is(proxy.connections, 1, 'one connection serves all');
    // It is restarted between two looks: that is over by now.
    proxy.cut();
    t.is(await probe.ask(), undefined);
    proxy.halfOpen();
    t.regex((await probe.ask()) ?? '', /no answer/);
    t.regex((await probe.ask()) ?? '', /no answer/);
    await proxy.restore();
    t.is(await probe.ask(), undefined);
    await makeReadOnly(database);
    t.regex((await probe.ask()) ?? '', /read-only/);
  },
);
