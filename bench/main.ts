import { cpus, totalmem } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { benchCalls } from './calls.ts';
import { drain } from './drain.ts';
import { formatRounds } from './report.ts';

/** `npm run bench -- drain` and `calls`: the figures, and what they were measured with. */

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number above 0 is expected');
  return value;
}

const program = new Command('bench').description(
  'Measures the conductor on private brokers and a private Postgres.',
);
program
  .command('drain')
  .description('drain a full queue, beside a bare consumer that only acknowledges')
  .addOption(
    new Option('--transport <kind>', 'which broker')
      .choices(['amqp091', 'amqp10', 'mqtt', 'nats'])
      .default('amqp091'),
  )
  .option('--messages <n>', 'messages in the queue', count, 100_000)
  .option('--instances <n>', 'instances that they are about', count, 10_000)
  .option('--rounds <n>', 'how often; the medians count', count, 3)
  .option(
    '--settings <json>',
    "further settings of the conductor's configuration",
    (text: string) => JSON.parse(text),
    {},
  )
  .option('--profile <folder>', 'where to write CPU profiles of the measured processes')
  .action(async (options) => {
    console.log(`drain ${JSON.stringify(options)}`);
    console.log(
      `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
    );
    const rounds = await drain(options, (line) => console.error(line));
    console.log(formatRounds(rounds));
  });
program
  .command('calls')
  .description('call a method over RabbitMQ, so many at once')
  .option('--calls <n>', 'how many', count, 10_000)
  .option('--in-flight <n>', 'how many at once', count, 32)
  .option('--rounds <n>', 'how often', count, 3)
  .action(async (options) => {
    console.log(`calls ${JSON.stringify(options)}`);
    console.log(
      `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
    );
    await benchCalls(options, (line) => console.log(line));
  });
await program.parseAsync();
