import type { Command } from 'commander';
import type { RunFigures } from '../src/core/sizing/figures.ts';
import type { BenchTransport } from './brokers/index.ts';
import { type DrainRound, drain } from './drain.ts';
import { count, kinds, seconds, transports } from './options.ts';
import { openReport, type ReportFlags, reportOptions } from './report/index.ts';
import { drainFiguresOf, formatTransports } from './report.ts';
import { scenarios, usualSetup } from './scenarios/index.ts';
import { missingFor, runnable } from './services/installed.ts';

interface TourFlags extends ReportFlags {
  readonly transport: ReadonlyArray<BenchTransport>;
  readonly steps: number;
  readonly seconds: number;
  readonly messages: number;
}

const { instances } = usualSetup;

/** The knee of each broker that is installed, then full queues beside the floor. The defaults take five minutes with all brokers. */
export function addTour(program: Command): void {
  const command = program
    .command('tour', { isDefault: true })
    .description('five minutes: the knee over each broker that is installed, and the floor')
    .option('--transport <kinds>', 'which brokers, separated by commas, or all', kinds, transports)
    .option('--steps <n>', 'rates of each at most', count, 6)
    .option('--seconds <seconds>', 'of each rate', seconds, 4)
    .option('--messages <n>', 'in the full queue', count, 40_000);
  reportOptions(command).action(async (flags: TourFlags) => {
    const report = openReport('tour', { ...flags });
    const runs: RunFigures[] = [];
    const rounds = new Map<BenchTransport, ReadonlyArray<DrainRound>>();
    const { steps, seconds } = flags;
    const options = {
      rate: 1000,
      first: 1000,
      limit: 250,
      steps,
      warmUp: 2,
      seconds,
      coolDown: 5,
      outage: 0,
    };
    for (const transport of flags.transport) {
      const missing = missingFor(transport);
      if (missing !== undefined) report.tell(`${transport} is left out: ${missing}`);
    }
    for (const transport of runnable(flags.transport)) {
      runs.push(...(await scenarios.knee({ ...usualSetup, transport }, options, report.progress)));
      // The demo's broker keeps no queue to drain.
      if (missingFor(transport) !== undefined) continue;
      const show = (line: string) => report.progress.show(`${transport}, drain, ${line}`, 1);
      const drained = { messages: flags.messages, instances, rounds: 1, settings: {} };
      rounds.set(transport, await drain({ ...drained, transport }, show));
    }
    report.progress.end();
    if (rounds.size > 0) console.log(formatTransports(rounds));
    await report.write({
      runs,
      drains: [...rounds].map(([transport, all]) => drainFiguresOf(transport, all)),
    });
  });
}
