import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { shellWord } from '../../src/commands/shell-word.ts';
import type { BenchFile, DrainFigures, Machine, RunFigures } from '../../src/core/sizing/figures.ts';
import { type Fleet, sizeFleet } from '../../src/core/sizing/model.ts';
import { sizingLine } from '../../src/core/sizing/words.ts';
import { count, seconds } from '../options.ts';
import { htmlOf } from './html.ts';
import { ProgressBar } from './progress.ts';
import { formatRuns } from './table.ts';
import { programVersions } from './versions.ts';

export interface ReportFlags {
  /** The folder of the result file and the report. */
  readonly out: string;
  /** The fleet of the lines at the end. */
  readonly guests: number;
  readonly interval: number;
}

/** The flags of all commands that write a report. */
export function reportOptions(command: Command): Command {
  return command
    .option('--out <folder>', 'where to write bench.json and bench.html', 'bench-results')
    .option('--guests <n>', 'the fleet that the last lines size', count, 100_000)
    .option('--interval <seconds>', 'between two messages of a guest there', seconds, 10);
}

/** A report that is being made. */
export interface Report {
  readonly progress: ProgressBar;
  readonly machine: Machine;
  /** Prints a line for the reader. */
  tell(line: string): void;
  /** Writes the files, and prints the table, their paths and the lines of the sizing. */
  write(results: { runs: ReadonlyArray<RunFigures>; drains: ReadonlyArray<DrainFigures> }): Promise<void>;
}

/** Begins a report. Prints the command with every parameter, and the machine. */
export function openReport(
  name: string,
  parameters: ReportFlags & Readonly<Record<string, unknown>>,
): Report {
  const startedAt = new Date().toISOString();
  const [{ model = 'unknown' } = {}] = cpus();
  const machine = { cores: cpus().length, model, memoryBytes: totalmem() };
  const shown = { ...parameters, ...masked(parameters) };
  const command = ['npm run bench --', ...process.argv.slice(2).map((word) => hidden(word))].join(' ');
  console.log(`${name} ${JSON.stringify(shown)}`);
  console.log(
    `${machine.cores} cores (${model}), ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Node ${process.version}`,
  );
  const progress = new ProgressBar();
  return {
    progress,
    machine,
    tell(line) {
      progress.end();
      console.log(line);
    },
    async write({ runs, drains }) {
      progress.end();
      const file: BenchFile = {
        kind: 'conductor-bench',
        version: 1,
        machine,
        versions: await programVersions(),
        commit: commit(),
        command,
        startedAt,
        parameters: shown,
        runs,
        drains,
      };
      const fleet: Fleet = {
        instances: parameters.guests,
        interval: parameters.interval,
        headroom: 0.8,
        outage: 600,
        recover: 1800,
        transport: undefined,
        brokerCores: undefined,
        databaseCores: undefined,
      };
      mkdirSync(parameters.out, { recursive: true });
      const [data, page] = [join(parameters.out, 'bench.json'), join(parameters.out, 'bench.html')];
      const lines = sizingLines(file, data, fleet);
      writeFileSync(data, `${JSON.stringify(file, undefined, 1)}\n`);
      writeFileSync(page, htmlOf(file, lines));
      if (runs.length > 0) console.log(formatRuns(runs));
      console.log(`report: ${page}, figures: ${data}`);
      for (const line of lines) console.log(line);
    },
  };
}

/** The sizing of a fleet over each transport, and the command that sizes another fleet by the same figures. */
function sizingLines(file: BenchFile, data: string, fleet: Fleet): string[] {
  const transports = [...new Set(file.runs.map(({ transport }) => transport))];
  const [first] = transports;
  if (first === undefined) return ['sizing: not possible: the bench has no run'];
  const { instances, interval } = fleet;
  const command = `npm run conductor -- size --bench ${shellWord(data)} --transport ${first} --instances ${instances} --interval ${interval}`;
  return [
    ...transports.map((transport) => sizingLineOf(file, { ...fleet, transport })),
    `for your own fleet, put its broker, guests and seconds into: ${command}`,
  ];
}

function sizingLineOf(file: BenchFile, fleet: Fleet): string {
  try {
    return sizingLine(fleet, sizeFleet(file, fleet));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return `sizing over ${fleet.transport}: not possible: ${error.message}`;
  }
}

/** URLs without their passwords. */
function masked(parameters: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const urls = Object.entries(parameters).filter(([name]) => name === 'broker' || name === 'database');
  return Object.fromEntries(urls.map(([name, url]) => [name, typeof url === 'string' ? hidden(url) : url]));
}

function hidden(word: string): string {
  return word.replace(/(:\/\/[^:@/]*):[^@/]*@/, '$1:***@');
}

function commit(): string | null {
  try {
    const output = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return output.toString().trim();
  } catch {
    return null;
  }
}
