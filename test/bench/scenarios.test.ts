import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { makeDatabasePlace } from '../../bench/services/database.ts';
import { makePlace } from '../../bench/services/places.ts';
import { readBenchFile } from '../../src/core/sizing/read.ts';
import { createDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** That the bench measures, not what: figures of a busy machine say nothing. */

const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const conductor = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const short = ['--warm-up', '1', '--seconds', '1', '--rate', '500', '--instances', '100'];

async function bench(...args: string[]) {
  const folder = temporaryDirectory('bench');
  const child = startProcess(process.execPath, [main, ...args, '--out', folder]);
  const { code } = await child.exited;
  const data = join(folder, 'bench.json');
  return {
    code,
    folder,
    data,
    output: child.output(),
    stdout: child.stdout(),
    runs: () => readBenchFile(readFileSync(data, 'utf8'), data).runs,
  };
}

needs(
  test,
  'nats',
  'postgres',
)(
  'the search for the knee ends with a table, a report, figures that `conductor size` reads, and a sizing',
  async (t) => {
    const { code, folder, data, output, stdout, runs } = await bench('knee', ...short, '--steps', '2');
    t.is(code, 0, output);
    t.regex(stdout, /^knee \{"transport":\["nats"\],.*"limit":250/m);
    t.regex(stdout, /^ *scenario +transport .* missing$/m);
    t.regex(stdout, /^report: .*bench\.html, figures: .*bench\.json$/m);
    t.regex(
      stdout,
      /^sizing, if 100000 guests send a message every 10 s \(10000 messages\/s, nats\): \d+ replicas?, enough up to \d+ .*$/m,
    );
    t.true(
      stdout.endsWith(
        `put its broker, guests and seconds into: npm run conductor -- size --bench ${data} --transport nats --instances 100000 --interval 10\n`,
      ),
      stdout,
    );
    t.true(existsSync(join(folder, 'bench.html')));
    const [first] = runs();
    t.like(first, { scenario: 'knee', transport: 'nats', offered: 500, replicas: 1, missing: 0 });
    t.true((first?.latency.commit?.count ?? 0) > 0, 'commit times');
    t.true((first?.latency.settle?.p50 ?? 0) >= (first?.latency.receive?.p50 ?? 1));
    for (const part of ['replicas', 'main', 'workers', 'broker', 'postgres'] as const)
      t.true((first?.cpu[part] ?? 0) > 0, part);
    t.true((first?.wal ?? 0) > 0);

    const args = ['size', '--bench', data, '--instances', '5000', '--interval', '60'];
    const sized = startProcess(process.execPath, [conductor, ...args]);
    t.is((await sized.exited).code, 0, sized.output());
    t.regex(sized.stdout(), /^replicas +1, 83 messages\/s each/m);
  },
);

needs(
  test,
  'nats',
  'postgres',
)('the tour ends with the tables of the knee and of the floor, a report and a sizing', async (t) => {
  const sizes = ['--transport', 'nats', '--steps', '1', '--seconds', '1', '--messages', '2000'];
  const { code, data, output, stdout, runs } = await bench('tour', ...sizes);
  t.is(code, 0, output);
  t.regex(stdout, /^efficiency +with servers +\d\.\d\d$/m);
  t.regex(stdout, /^report: /m);
  // A busy machine may keep up with no rate in time.
  t.regex(stdout, /^sizing(?:, if 100000 guests | over nats: not possible: )/m);
  t.is(runs().length, 1);
  t.is(readBenchFile(readFileSync(data, 'utf8'), data).drains.length, 1);
  // Without an argument it is the tour too.
  const help = startProcess(process.execPath, [main, '--help']);
  await help.exited;
  t.regex(help.stdout(), /^ +tour /m);
});

/** With each a mode of its own. */
const modes = {
  amqp091: ['--auth', 'trove', '--codec', 'oslo'],
  amqp10: ['--auth', 'user-id'],
  mqtt: ['--auth', 'subject'],
  nats: [],
} as const;

for (const kind of ['amqp091', 'amqp10', 'mqtt', 'nats'] as const) {
  const name = ({ amqp091: 'rabbitmq', amqp10: 'rabbitmq', mqtt: 'mosquitto', nats: 'nats' } as const)[kind];
  needs(
    test,
    name,
    'postgres',
  )(
    `the bench measures a broker and a database of the deployer's own over ${kind}, and leaves nothing behind`,
    async (t) => {
      const database = await createDatabase(t, { migrated: false });
      const { url } = service(name);
      const mix = kind === 'nats' ? 'mixed' : 'steady';
      const { code, output, runs } = await bench(
        mix,
        '--transport',
        kind,
        '--broker',
        url,
        '--database',
        database.url,
        ...modes[kind],
        ...short,
      );
      t.is(code, 0, output);
      const [only] = runs();
      t.like(only, { scenario: mix, transport: kind, missing: 0, callErrors: 0, offered: 500 });
      // They may run anywhere.
      t.like(only?.cpu, { broker: null, postgres: null });
      const { applied = 0, answered = 0, deferred = 0, dead = 0 } = only?.outcomes ?? {};
      t.true(applied > 0);
      t.is(answered > 0, mix === 'mixed');
      t.deepEqual([deferred, dead], [0, 0]);
      const left = await database.query(
        "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'conductor%' UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
      );
      t.deepEqual(left, []);
    },
  );
}

needs(
  test,
  'nats',
  'postgres',
)('the bench signs its heartbeats with auth hmac, and refuses calls with it', async (t) => {
  const { code, output, runs } = await bench('steady', ...short, '--auth', 'hmac');
  t.is(code, 0, output);
  const { outcomes = {}, missing } = runs()[0] ?? {};
  t.is(missing, 0);
  t.true((outcomes.applied ?? 0) > 0);
  t.is(outcomes.dead ?? 0, 0);
  const mixed = await bench('mixed', ...short, '--auth', 'hmac');
  t.not(mixed.code, 0);
  t.regex(mixed.output, /--auth hmac: the calls of mixed are neither signed nor encrypted/);
});

needs(
  test,
  'nats',
  'postgres',
)('a size that is checked is measured at the size that is proposed', async (t) => {
  const sizes = ['--rate', '500', '--steps', '1', '--seconds', '1', '--fleets', '100x1,400x2'];
  const { code, output, stdout, runs } = await bench('size-check', ...sizes);
  // A machine that is too busy for the knee has nothing to check.
  if (code !== 0) {
    t.regex(output, /no run of nats (?:with one replica that )?kept up with its rate/);
    return;
  }
  for (const fleet of ['100 instances every 1 s', '400 instances every 2 s'])
    t.regex(stdout, new RegExp(`^nats, ${fleet}, \\d+ replicas?; "differs"`, 'm'));
  t.regex(stdout, /^cores of the replicas +[\d.]+ +[\d.]+ +[\d.]+/m);
  t.deepEqual(
    runs().map(({ scenario, instances }) => [scenario, instances]),
    [
      ['knee', 10_000],
      ['steady', 100],
      ['steady', 400],
    ],
  );
});

needs(
  test,
  'nats',
  'postgres',
)('a bench that is interrupted removes what it has made', async (t) => {
  const database = await createDatabase(t, { migrated: false });
  const schemas = () => database.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'conductor%'");
  const own = ['--broker', service('nats').url, '--database', database.url];
  const args = [main, 'steady', ...own, ...short, '--seconds', '60', '--out', temporaryDirectory('bench')];
  const child = startProcess(process.execPath, args);
  t.teardown(child.kill);
  const isMeasuring = () => child.stderr().includes('steady, 500/s');
  await waitFor(isMeasuring, { what: 'the load', timeout: 60_000, process: child });
  t.is((await schemas()).length, 2);
  child.signal('SIGINT');
  const { code } = await child.exited;
  t.is(code, 130, child.output());
  t.deepEqual(await schemas(), []);
});

needs(
  test,
  'nats',
  'postgres',
)('the bench touches nothing that it did not make', async (t) => {
  const database = await createDatabase(t, { migrated: false });
  await database.query('CREATE SCHEMA taken; CREATE TABLE taken.kept (id integer)');
  await t.throwsAsync(makeDatabasePlace(database.url, 'taken'), { message: /schema "taken" already exists/ });
  t.deepEqual(await database.query('SELECT * FROM taken.kept'), []);
  const name = `conductor-bench-${process.pid}`;
  const options = { url: service('nats').url, name, codec: 'native', auth: { mode: 'none' } } as const;
  const place = await makePlace.nats(options);
  await t.throwsAsync(makePlace.nats(options), { message: /exists on the broker/ });
  await place.remove();
  // It is gone, so it can be made anew.
  await (await makePlace.nats(options)).remove();
});

needs(test, 'rabbitmq')('the bench refuses a queue that it did not make', async (t) => {
  const name = `conductor-bench-${process.pid}`;
  const options = { url: service('rabbitmq').url, name, codec: 'native', auth: { mode: 'none' } } as const;
  const place = await makePlace.amqp091(options);
  await t.throwsAsync(makePlace.amqp091(options), { message: /exists on the broker/ });
  await t.throwsAsync(makePlace.amqp10(options), { message: /exists on the broker/ });
  await place.remove();
});

needs(
  test,
  'nats',
  'postgres',
)('guests that all start at once, an outage and a replica without threads are measured', async (t) => {
  const start = await bench('start', '--transport', 'nats', '--instances', '300', '--replicas', '2');
  t.is(start.code, 0, start.output);
  t.like(start.runs()[0], { scenario: 'start', offered: null, sent: 300, missing: 0, replicas: 2 });
  const recovery = await bench('recovery', ...short, '--outage', '2', '--seconds', '4', '--inline');
  t.is(recovery.code, 0, recovery.output);
  const [only] = recovery.runs();
  t.like(only, { scenario: 'recovery', threads: 0, missing: 0, sent: 3000 });
  t.like(only?.recovery, { outage: 2, backlog: 1000 });
});
