import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startProcess } from '../support/processes.ts';
import { needs } from '../support/services.ts';

/** That the bench measures, not what: figures of a busy machine say nothing. */

needs(
  test,
  'rabbitmq',
  'mosquitto',
  'nats',
)('the bench drains a queue over each transport and prints rates and ratios in one table', async (t) => {
  const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
  const sizes = ['--messages', '2000', '--instances', '100', '--rounds', '1'];
  const bench = startProcess(process.execPath, [main, 'drain', '--transport', 'all', ...sizes]);
  const { code } = await bench.exited;
  t.is(code, 0, bench.output());
  t.regex(bench.stdout(), /^ +amqp091 +amqp10 +mqtt +nats$/m);
  t.regex(bench.stdout(), /^bare consumer +messages\/s( +\d+){4}$/m);
  t.regex(bench.stdout(), /^conductor +messages\/s( +\d+){4}$/m);
  t.regex(bench.stdout(), /^ratio +conductor \/ bare( +\d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)){4}$/m);
  t.regex(bench.stdout(), /^bare writer +CPU µs\/message( +\d+\.\d){4}$/m);
  t.regex(bench.stdout(), /^efficiency +own CPU( +\d+\.\d\d){4}$/m);
  t.regex(bench.stdout(), /^efficiency +with servers( +\d+\.\d\d){4}$/m);
  t.regex(bench.stdout(), /^conductor +peak memory MB( +\d+){4}$/m);
});

needs(test, 'nats')(
  'the bench of one transport prints the median of its rounds, with the least and the greatest',
  async (t) => {
    const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
    const sizes = ['--messages', '1000', '--instances', '100', '--rounds', '2'];
    // Of the broker that starts soonest: it is the bench's own.
    const bench = startProcess(process.execPath, [main, 'drain', '--transport', 'nats', ...sizes]);
    const { code } = await bench.exited;
    t.is(code, 0, bench.output());
    t.regex(bench.stdout(), /^ratio +conductor \/ bare( +\d+\.\d\d){3}$/m);
  },
);

needs(
  test,
  'rabbitmq',
  'postgres',
)('the bench calls a method and prints the number of lost calls and the duration', async (t) => {
  const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
  const sizes = ['--calls', '200', '--in-flight', '8', '--rounds', '1'];
  const bench = startProcess(process.execPath, [main, 'calls', ...sizes]);
  const { code } = await bench.exited;
  t.is(code, 0, bench.output());
  t.regex(bench.stdout(), /200 answered, 0 lost, 0 answered twice, 0 errors/);
  t.regex(bench.stdout(), /calls\/s, p50 [\d.]+ ms, p99 [\d.]+ ms/);
});

needs(test, 'postgres')(
  'the bench sweeps a fleet and prints the rates of heartbeats and who was marked',
  async (t) => {
    const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
    const bench = startProcess(process.execPath, [main, 'sweep', '--instances', '5000', '--rounds', '1']);
    const { code } = await bench.exited;
    t.is(code, 0, bench.output());
    t.regex(bench.stdout(), /^round 1: [\d.]+ s, 50 marked, 0 of them wrongly; heartbeats\/s \d+ before/m);
  },
);

needs(
  test,
  'postgres',
  'pgbouncer',
)('the bench writes by the statement alone: to one table, through PgBouncer and to partitions', async (t) => {
  const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
  const sizes = ['--messages', '2000', '--instances', '100', '--rounds', '1'];
  const bench = startProcess(process.execPath, [main, 'statement', ...sizes]);
  const { code } = await bench.exited;
  t.is(code, 0, bench.output());
  for (const way of ['one table', 'one table, not prepared', 'through PgBouncer', '16 partitions'])
    t.regex(bench.stdout(), new RegExp(`^${way} +\\d+ +[\\d.]+ +[\\d.]+ +([\\d.]+|-)$`, 'm'));
});
