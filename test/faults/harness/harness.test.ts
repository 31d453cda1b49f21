import { join } from 'node:path';
import test from 'ava';
import { needs, type ServiceName } from '../../support/services.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';
import { runHarness } from './main.ts';
import { tableOf } from './report.ts';
import { runRound } from './round.ts';
import { runSoak } from './soak/soak.ts';
import { type Fault, type TransportName, transports } from './world.ts';

const seconds = 15;
/** The same faults in each run. `npm run test:faults -- --minutes 5` draws others. */
const seed = '1';
const services: Readonly<Record<TransportName, ServiceName>> = {
  amqp091: 'rabbitmq',
  amqp10: 'rabbitmq',
  mqtt: 'mosquitto',
  nats: 'nats',
};

for (const transport of transports)
  needs(
    test.serial,
    services[transport],
    'postgres',
  )(
    `${transport}: after ${seconds} s of random faults under load every row is what it must be, and every dead letter is a poison`,
    async (t) => {
      t.timeout(240_000);
      const folder = join(temporaryDirectory('harness'), transport);
      const round = await runRound({
        seed,
        transport,
        seconds,
        rate: 2000,
        cluster: false,
        folder,
        print: (line) => t.log(line),
      });
      for (const line of tableOf([round])) t.log(line);
      t.deepEqual(round.problems, []);
      for (const { fault, tally } of round.parts) t.like(tally, { lost: 0, unexpected: 0 }, fault);
    },
  );

/** Not a fault that the product has to bear: it is here so that the harness has something to find. */
const sabotage: Fault = {
  name: 'sabotage',
  lasts: [1000, 1000],
  run: async ({ database, sleep }, lasts) => {
    await sleep(lasts);
    await waitFor(
      async () =>
        (await database.query("SELECT FROM service_statuses WHERE instance_id LIKE '0a%' LIMIT 1")).length >
        0,
      { what: 'a row to delete', timeout: 60_000 },
    );
    const where =
      "WHERE instance_id = (SELECT max(instance_id) FROM service_statuses WHERE instance_id LIKE '0a%')";
    const [row] = await database.query<{ instance_id: string }>(
      `DELETE FROM service_statuses ${where} RETURNING instance_id`,
    );
    return row?.instance_id ?? 'nothing';
  },
};

needs(
  test.serial,
  'nats',
  'postgres',
)('a single row that is missing in the end is found, and named', async (t) => {
  t.timeout(180_000);
  const lines: string[] = [];
  const round = await runRound({
    seed: 'sabotage',
    transport: 'nats',
    seconds: 2,
    rate: 1000,
    faults: [sabotage],
    folder: join(temporaryDirectory('harness'), 'sabotage'),
    print: (line) => void lines.push(line),
    patience: 3000,
  });
  const deleted = lines.map((line) => /sabotage repaired after .*: (.*)/.exec(line)?.[1]).find(Boolean);
  t.true(round.problems.length > 0, lines.join('\n'));
  t.true(
    round.problems.some((text) => text.startsWith('lost: ') && text.includes(String(deleted))),
    `${deleted}: ${round.problems.join('\n')}`,
  );
});

needs(
  test.serial,
  'nats',
  'postgres',
)('a soak loses nothing, and has figures of each thread, table and connection', async (t) => {
  t.timeout(180_000);
  const { series, messages, problems } = await runSoak({
    transport: 'nats',
    seconds: 25,
    rate: 500,
    folder: join(temporaryDirectory('harness'), 'soak'),
    print: (line) => t.log(line),
  });
  t.deepEqual(problems, []);
  t.true(messages > 5000);
  const names = series.filter(({ values }) => values.length >= 3).map(({ name }) => name);
  for (const name of [
    'memory (RSS)',
    'main thread: heap',
    'main thread: event-loop delay, p99',
    'thread 1: heap',
    'connections to Postgres',
    'table service_statuses',
    'dead rows of service_statuses',
    'table deferred',
    'backlog',
  ])
    t.true(names.includes(name), name);
});

needs(
  test.serial,
  'nats',
  'postgres',
)('the command draws a seed, says what it does, and ends with 0 when all is well', async (t) => {
  t.timeout(180_000);
  const args = ['--minutes', '0.05', '--seed', '1,2', '--transport', 'nats', '--fault', 'conductor-kill'];
  t.is(await runHarness(args), 0);
  t.is(await runHarness(['--minutes', 'none']), 2);
});
