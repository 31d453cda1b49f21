import test from 'ava';
import type { Health } from '../../src/admin/health.ts';
import { startConductorProcess } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf } from '../support/worker.ts';
import { openMosquitto } from './brokers.ts';

const mutedAfter = 2000;
/** Seconds by which a clock is wrong. */
const wrong = 3600;

needs(
  test,
  'mosquitto',
  'postgres',
)(
  'guests ahead of the database and guests whose heartbeats are all stale are counted and named; others are not',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'ahead', 'behind', 'well', 'late', 'gone');
    await database.query("UPDATE instances SET deleted = true WHERE id = 'gone'");
    const broker = openMosquitto(service('mosquitto'));
    const port = await freePort();
    const conductor = await startConductorProcess(t, {
      database: database.url,
      transports: { guests: broker.entry() },
      settings: { admin: { port }, health: { mutedAfter } },
    });
    const health = async (): Promise<Health> =>
      JSON.parse(await (await fetch(`http://127.0.0.1:${port}/health`)).text());
    const now = () => Date.now() / 1000;
    const send = (sender: string, sent: number) => {
      const args = { instance_id: sender, sent, payload: { service_status: 'running' } };
      return broker.publish([{ sender, body: Buffer.from(JSON.stringify({ method: 'heartbeat', args })) }]);
    };
    const none = { count: 0, guests: [] };
    await send('behind', now());
    await waitFor(() => statusOf(database, 'behind'), { what: 'the first heartbeat', process: conductor });
    t.deepEqual((await health()).clocks, { ahead: none, muted: none });

    let rounds = 0;
    const { ahead, muted } = await waitFor(
      async () => {
        rounds += 1;
        await send('ahead', now() + wrong);
        await send('behind', now() - wrong);
        await send('well', now());
        // Late by the way, as a message that was delivered again.
        await send('well', now() - wrong);
        await send('late', now() + 100);
        await send('gone', now() - wrong);
        const { clocks } = await health();
        return clocks.ahead.count > 0 && clocks.muted.count > 0 && clocks;
      },
      { what: 'both guests to be named', process: conductor, timeout: 30_000, interval: 200 },
    );
    t.true(rounds > 2);
    t.is(ahead.count, 1);
    const [{ instanceId, seconds = 0 } = { instanceId: 'none' }] = ahead.guests;
    t.is(instanceId, 'ahead');
    t.true(Math.abs(seconds - wrong) < 30, `${seconds} s`);
    t.deepEqual(muted, { count: 1, guests: [{ instanceId: 'behind' }] });
    t.is((await statusOf(database, 'ahead'))?.status_description, 'running', 'it is applied all the same');
    const lines = conductor.log.all().filter(({ msg }) => msg.startsWith('clock_'));
    t.deepEqual(lines.map(({ msg, count }) => [msg.slice(0, msg.indexOf(':')), count]).toSorted(), [
      ['clock_ahead', 1],
      ['clock_behind', 1],
    ]);

    await waitFor(
      async () => {
        await send('behind', now());
        return (await health()).clocks.muted.count === 0;
      },
      { what: 'the guest whose clock is right again to be forgotten', process: conductor, timeout: 30_000 },
    );
  },
);
