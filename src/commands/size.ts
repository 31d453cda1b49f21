import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { ConfigError, messageOf } from '../core/errors.ts';
import { type Fleet, type Sizing, sizeFleet } from '../core/sizing/model.ts';
import { readBenchFile } from '../core/sizing/read.ts';
import { sizingText } from '../core/sizing/words.ts';
import { type CommandLine, count, duration, seconds } from './command-line.ts';
import { withExamples } from './examples.ts';

interface SizeFlags extends Fleet {
  bench: string;
  json: boolean;
}

/** `conductor size`. */
export function addSize(program: Command, line: CommandLine): void {
  const command = program
    .command('size')
    .description("size a deployment for a fleet, from the bench's figures")
    .requiredOption('--bench <file>', 'the result file of the bench, JSON')
    .requiredOption('--instances <count>', 'guests of the fleet', count)
    .requiredOption('--interval <seconds>', 'between two messages of a guest', seconds)
    .option(
      '--transport <kind>',
      'the broker, as the bench names it; needed if the bench has measured several',
    )
    .option('--headroom <share>', 'the part of what was measured that is planned with', Number, 0.8)
    .option('--outage <time>', 'for which no replica runs, such as 10m', inSeconds, 600)
    .option('--recover <time>', 'in which the backlog is to be gone, such as 30m', inSeconds, 1800)
    .option('--broker-cores <count>', 'cores that the broker can use', count)
    .option('--database-cores <count>', 'cores that Postgres can use', count)
    .option('--json', 'print JSON', false)
    .action(async ({ bench, json, ...fleet }: SizeFlags) => {
      const sizing = sized(bench, await contentOf(bench), fleet);
      line.print(json ? JSON.stringify(sizing) : sizingText(fleet, sizing));
    });
  withExamples(command, [
    'after npm run bench: 100,000 guests, each every 10 seconds',
    'conductor size --bench bench-results/bench.json --instances 100000 --interval 10',
  ]);
}

const inSeconds = (text: string) => duration(text) / 1000;

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${file}: cannot read the file: ${messageOf(error)}`);
  }
}

function sized(name: string, content: string, fleet: Fleet): Sizing {
  if (!(fleet.headroom > 0 && fleet.headroom <= 1))
    throw new ConfigError(`--headroom: must be above 0 and at most 1, not ${fleet.headroom}`);
  try {
    return sizeFleet(readBenchFile(content, name), fleet);
  } catch (error) {
    throw error instanceof RangeError ? new ConfigError(`${name}: ${error.message}`) : error;
  }
}
