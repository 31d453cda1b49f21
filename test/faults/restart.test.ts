import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { type ConductorOptions, startConductorHere, startConductorProcess } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { type BrokerKind, brokerKinds } from './broker-kinds.ts';
import { openMosquitto, type TestBroker } from './brokers.ts';
import { Fleet } from './fleet.ts';

const restarts = 20;
/** Each of so many is a process of its own, ended by SIGTERM; the others run in the process of the test. */
const processEvery = 5;
/** Messages, and milliseconds between two publishings of them: 500 a second. */
const portion = 100;
const pace = 200;
/** Milliseconds that a replica runs, and that none does. */
const up = 500;
const down = 300;
/** Each message is about an instance of its own, so that the rows count the messages. Enough for three minutes: a slow machine needs them for 20 restarts. */
const most = 90_000;

const mqttKinds = (['5', '3.1.1'] as const).flatMap((version) =>
  [true, false].map(
    (shared): BrokerKind => ({
      label: `MQTT ${version}, ${shared ? 'shared' : 'not shared'}`,
      service: 'mosquitto',
      open: async () => openMosquitto(service('mosquitto'), { version, shared }),
    }),
  ),
);

const kinds = [...brokerKinds.filter(({ service }) => service !== 'mosquitto'), ...mqttKinds];

for (const { label, service, open } of kinds) {
  needs(
    test,
    service,
    'postgres',
  )(
    `${label}: no confirmed message is lost while the only replica restarts ${restarts} times, each ${processEvery}th time as a process, under 500 messages a second`,
    async (t) => {
      t.timeout(180_000);
      const database = await createDatabase(t, { migrated: true });
      const fleet = new Fleet(most);
      await fleet.register(database);
      const broker = await open(t);
      const options = { database: database.url, transports: { guests: broker.entry() } };
      const applied = async () => {
        const [row] = await database.query<{ count: number }>(
          'SELECT count(*)::int AS count FROM service_statuses',
        );
        return row?.count ?? 0;
      };
      // It subscribes, and makes the queue.
      await run(t, options, 0);
      const publishing = startPublishing(broker, fleet);
      for (let cycle = 1; cycle < restarts; cycle += 1) {
        await sleep(down);
        await run(t, options, cycle);
      }
      const confirmed = await publishing.stop();
      t.true(confirmed < most);
      const last = await startConductorHere(t, options);
      await waitFor(async () => (await applied()) >= confirmed, {
        what: 'all that was confirmed to be applied',
        timeout: 30_000,
      }).catch(() => {});
      await last.stop();
      t.log({ confirmed, lost: confirmed - (await applied()) });
      t.is(await applied(), confirmed);
      await fleet.assertArrived(t, database);
    },
  );
}

/** One life of a replica, to its end in good order. */
async function run(t: ExecutionContext, options: ConductorOptions, cycle: number): Promise<void> {
  if (cycle % processEvery !== 0) {
    const replica = await startConductorHere(t, options);
    await sleep(up);
    await replica.stop();
    return;
  }
  const replica = await startConductorProcess(t, options);
  await sleep(up);
  replica.signal('SIGTERM');
  t.deepEqual(await replica.exited, { code: 0, signal: null }, replica.output());
}

/** Publishes until it is stopped; then resolves with how many messages the broker has confirmed. */
function startPublishing(broker: TestBroker, fleet: Fleet): { stop(): Promise<number> } {
  const stopping = new AbortController();
  const publish = async () => {
    let confirmed = 0;
    while (!stopping.signal.aborted && confirmed + portion <= most) {
      const next = sleep(pace);
      await broker.publish(fleet.heartbeats(portion, broker.form));
      confirmed += portion;
      await next;
    }
    return confirmed;
  };
  const done = publish();
  // Its rejection is the one of `stop`.
  done.catch(() => {});
  return {
    stop: () => {
      stopping.abort();
      return done;
    },
  };
}
