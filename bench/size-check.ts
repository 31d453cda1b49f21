import { type Command, InvalidArgumentError } from 'commander';
import { ConfigError } from '../src/core/errors.ts';
import type { RunFigures } from '../src/core/sizing/figures.ts';
import { p99Of } from '../src/core/sizing/knee.ts';
import { type Sizing, sizeFleet } from '../src/core/sizing/model.ts';
import type { BenchTransport } from './brokers/index.ts';
import { count, kinds, seconds } from './options.ts';
import { openReport, type ReportFlags, reportOptions } from './report/index.ts';
import { handleSignals } from './run/child.ts';
import { scenarios, usualSetup } from './scenarios/index.ts';
import { missingFor } from './services/installed.ts';

/** Whether `conductor size` is right: it sizes fleets by a knee, and each is measured at the size that it proposes. */

interface SizeCheckFlags extends ReportFlags {
  readonly transport: ReadonlyArray<BenchTransport>;
  readonly fleets: ReadonlyArray<FleetOption>;
  readonly rate: number;
  readonly steps: number;
  readonly seconds: number;
}

interface FleetOption {
  readonly instances: number;
  /** Seconds between two heartbeats of an instance. */
  readonly interval: number;
}

/** The part by which proposed and measured may differ. */
const tolerance = 0.25;

export function addSizeCheck(program: Command): void {
  const command = program
    .command('size-check')
    .description('size fleets by a knee, then measure each at the size that is proposed')
    .option('--transport <kinds>', 'which brokers, separated by commas, or all', kinds, ['nats'])
    .option('--fleets <list>', 'instances x seconds between two heartbeats, separated by commas', fleets, [
      { instances: 2000, interval: 1 },
      { instances: 30_000, interval: 5 },
      { instances: 100_000, interval: 10 },
    ])
    .option('--rate <n>', 'messages a second of the first step of the knee', count, 1000)
    .option('--steps <n>', 'rates of the knee at most', count, 8)
    .option('--seconds <seconds>', 'of each rate', seconds, 10);
  reportOptions(command).action(async (flags: SizeCheckFlags) => {
    const report = openReport('size-check', { ...flags });
    handleSignals();
    const runs: RunFigures[] = [];
    for (const transport of flags.transport) {
      const missing = missingFor(transport);
      if (missing !== undefined) {
        report.tell(`${transport} is left out: ${missing}`);
        continue;
      }
      const options = { ...usualOptions, ...flags, first: flags.rate };
      const knee = await scenarios.knee({ ...usualSetup, transport }, options, report.progress);
      runs.push(...knee);
      for (const fleet of flags.fleets) {
        const measured = { machine: report.machine, parameters: {}, runs: knee, drains: [] };
        const sizing = sized(measured, { ...plan, ...fleet, transport });
        const { instances } = fleet;
        const setup = { ...usualSetup, transport, instances, replicas: sizing.replicas };
        // After a checkpoint Postgres writes each page whole at its first change. Each instance has one heartbeat before the window.
        const warmUp = Math.max(options.warmUp, fleet.interval + 2);
        const steady = { ...options, rate: sizing.rate, warmUp };
        const [run] = await scenarios.steady(setup, steady, report.progress);
        if (run === undefined) throw new Error('the run has no figures');
        runs.push(run);
        report.tell(comparison(fleet, sizing, run));
      }
    }
    await report.write({ runs, drains: [] });
  });
}

function sized(...of: Parameters<typeof sizeFleet>): Sizing {
  try {
    return sizeFleet(...of);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(`no size to check: ${error.message}, from a lower --rate`);
  }
}

const usualOptions = { limit: 250, warmUp: 3, coolDown: 30, outage: 0 };

/** The defaults of `conductor size`, without an outage to catch up with: a steady load is measured. */
const plan = { headroom: 0.8, outage: 0, recover: 1, brokerCores: undefined, databaseCores: undefined };

/** Lines with what was proposed, what was measured, and the one divided by the other. */
function comparison(fleet: FleetOption, sizing: Sizing, run: RunFigures): string {
  const cores = (perMessage: number | null) =>
    perMessage === null ? undefined : (perMessage * run.rate) / 1e6;
  const rows: [
    what: string,
    proposed: number | undefined,
    measured: number | null | undefined,
    digits: number,
  ][] = [
    ['messages/s', sizing.rate, run.rate, 0],
    ['cores of the replicas', sizing.cores.replicas, cores(run.cpu.replicas), 3],
    ['cores of the broker', sizing.cores.broker, cores(run.cpu.broker), 3],
    ['cores of Postgres', sizing.cores.postgres, cores(run.cpu.postgres), 3],
    [
      'WAL, GB a day',
      gigabytes(sizing.walBytesPerDay),
      gigabytes((run.wal ?? Number.NaN) * run.rate * 86_400),
      2,
    ],
    ['connections a replica', sizing.connectionsPerReplica, run.connections, 0],
    ['messages in a batch', sizing.batch, run.batch.mean, 1],
    ['p99 to commit, ms', sizing.p99, p99Of(run), 1],
  ];
  const lines = rows.map(([what, proposed, measured, digits]) => {
    const ratio = (measured ?? Number.NaN) / (proposed ?? Number.NaN);
    const verdict = Number.isNaN(ratio) ? '' : Math.abs(ratio - 1) <= tolerance ? '' : '  differs';
    return (
      what.padEnd(24) +
      [proposed?.toFixed(digits) ?? '-', measured?.toFixed(digits) ?? '-', ratio.toFixed(2)]
        .map((cell) => cell.padStart(12))
        .join('') +
      verdict
    );
  });
  const heads = ['proposed', 'measured', 'ratio'].map((head) => head.padStart(12)).join('');
  const { instances, interval } = fleet;
  const replicas = sizing.replicas === 1 ? '1 replica' : `${sizing.replicas} replicas`;
  return [
    `${run.transport}, ${instances} instances every ${interval} s, ${replicas}; "differs": by more than ${tolerance * 100} %`,
    ''.padEnd(24) + heads,
    ...lines,
  ].join('\n');
}

function gigabytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 1e9;
}

function fleets(text: string): FleetOption[] {
  return text.split(',').map((one) => {
    const [, instances = '', interval = ''] = /^(\d+)x(\d+(?:\.\d+)?)$/.exec(one) ?? [];
    if (instances === '') throw new InvalidArgumentError('fleets such as 2000x1,100000x10 are expected');
    return { instances: count(instances), interval: seconds(interval) };
  });
}
