import { cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import { ConfigError } from '../src/core/errors.ts';
import { benchAuth } from './auth.ts';
import type { BenchTransport } from './brokers/index.ts';
import { benchCalls } from './calls.ts';
import { type DrainRound, drain } from './drain.ts';
import { count, json, kinds } from './options.ts';
import { addPeers } from './peers/command.ts';
import { formatRounds, formatTransports } from './report.ts';
import { Interrupted } from './run/child.ts';
import { addScenarios } from './scenario-commands.ts';
import { addSizeCheck } from './size-check.ts';
import { benchStatement } from './statement.ts';
import { benchSweep } from './sweep.ts';
import { addTour } from './tour.ts';

/** `npm run bench -- <command>`: the figures, and the versions behind them. */

function printParameters(command: string, options: object): void {
  console.log(`${command} ${JSON.stringify(options)}`);
  const [{ model = 'unknown' } = {}] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  console.log(`${cpus().length} cores (${model}), ${memory} GiB, Node ${process.version}`);
}

const program = new Command('bench').description(
  'Measures the conductor, on private brokers and a private Postgres or on your own.',
);
addTour(program);
addScenarios(program);
addSizeCheck(program);
addPeers(program);
program
  .command('drain')
  .description('drain a full queue, beside a bare consumer that only acknowledges and a bare writer')
  .option('--transport <kinds>', 'which brokers, separated by commas, or all', kinds, ['amqp091'])
  .option('--messages <n>', 'messages in the queue', count, 100_000)
  .option('--instances <n>', 'instances that they are about', count, 10_000)
  .option('--rounds <n>', 'how often; the medians count', count, 3)
  .option('--settings <json>', "further settings of the conductor's configuration", json, {})
  .option('--scrape', "scrape the conductor's metrics each second meanwhile")
  .option('--profile <folder>', 'where to write CPU profiles of the measured processes')
  .action(async ({ transport: chosen, ...options }) => {
    printParameters('drain', { transport: chosen, ...options });
    const results = new Map<BenchTransport, ReadonlyArray<DrainRound>>();
    for (const transport of chosen) {
      const tell = (line: string) => console.error(`${transport}, ${line}`);
      results.set(transport, await drain({ ...options, transport }, tell));
    }
    const [[, only] = []] = results;
    console.log(only !== undefined && results.size === 1 ? formatRounds(only) : formatTransports(results));
  });
program
  .command('calls')
  .description('call a method over RabbitMQ, so many at once')
  .option('--calls <n>', 'how many', count, 10_000)
  .option('--in-flight <n>', 'how many at once', count, 32)
  .option('--rounds <n>', 'how often', count, 3)
  .action(async (options) => {
    printParameters('calls', options);
    await benchCalls(options, (line) => console.log(line));
  });
program
  .command('sweep')
  .description('sweep a fleet while heartbeats are written')
  .option('--instances <n>', 'the fleet', count, 1_000_000)
  .option('--rate <n>', 'heartbeats a second; as fast as Postgres takes them unless told', count)
  .option('--silent <share>', 'the part of it that is silent', Number, 0.01)
  .option('--rounds <n>', 'how often', count, 3)
  .action(async (options) => {
    printParameters('sweep', options);
    await benchSweep(options, (line) => console.log(line));
  });
program
  .command('statement')
  .description(
    "write heartbeats by the conductor's statement alone: also to a partitioned table, and through PgBouncer",
  )
  .option('--messages <n>', 'heartbeats', count, 200_000)
  .option('--instances <n>', 'instances that they are about', count, 10_000)
  .option('--partitions <n>', 'of the partitioned table, by hash of the instance', count, 16)
  .option('--rounds <n>', 'how often; the medians count', count, 3)
  .action(async (options) => {
    printParameters('statement', options);
    await benchStatement(options, (line) => console.log(line));
  });
program
  .command('auth')
  .description('drain heartbeats without a proof of the sender, and signed, in turns')
  .option('--messages <n>', 'messages in the queue', count, 100_000)
  .option('--instances <n>', 'instances that send them, each with a key', count, 10_000)
  .option('--rounds <n>', 'how often', count, 3)
  .action(async (options) => {
    printParameters('auth', options);
    await benchAuth(options, (line) => console.log(line));
  });
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof Interrupted || error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(error instanceof Interrupted ? 130 : 2);
}
