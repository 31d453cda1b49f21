import { type Command, Option } from 'commander';
import type { RunFigures } from '../src/core/sizing/figures.ts';
import type { BenchTransport } from './brokers/index.ts';
import { bodyForms } from './load/body-forms.ts';
import { count, counts, json, kinds, seconds, words } from './options.ts';
import { openReport, type ReportFlags, reportOptions } from './report/index.ts';
import { handleSignals } from './run/child.ts';
import { type Scenario, scenarios } from './scenarios/index.ts';
import { authModes } from './services/auth.ts';
import { missingFor } from './services/installed.ts';

/** The commands of the scenarios: each measures every combination of what it is told. */

interface ScenarioFlags extends ReportFlags {
  readonly transport: ReadonlyArray<BenchTransport>;
  readonly instances: ReadonlyArray<number>;
  readonly replicas: ReadonlyArray<number>;
  readonly auth: ReadonlyArray<string>;
  readonly body: ReadonlyArray<number>;
  readonly codec: keyof typeof bodyForms;
  readonly rate: number;
  readonly warmUp: number;
  readonly seconds: number;
  readonly coolDown: number;
  readonly outage: number;
  readonly limit: number;
  readonly steps: number;
  readonly generators: number;
  readonly inline: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly broker?: string;
  readonly database?: string;
}

const descriptions: Record<Scenario, string> = {
  steady: 'send heartbeats at a fixed rate',
  mixed: 'send 95 % heartbeats, 4 % backups and 1 % calls at a fixed rate',
  knee: 'search for the greatest rate that is kept up with, within a limit of latency',
  start: 'have all guests send at once',
  recovery: 'end all replicas for a while, and measure how long they need to catch up',
};

export function addScenarios(program: Command): void {
  for (const [name, description] of Object.entries(descriptions)) {
    if (!isScenario(name)) continue;
    const command = program.command(name).description(description);
    command
      .option('--transport <kinds>', 'which brokers, separated by commas, or all', kinds, ['nats'])
      .option('--instances <counts>', 'instances that the messages are about', counts, [10_000])
      .option('--replicas <counts>', 'conductors', counts, [1])
      .option('--auth <modes>', authModes.join(', '), words(authModes), ['none'])
      .option('--body <bytes>', 'the least length of a body', counts, [1])
      .addOption(
        new Option('--codec <name>', 'the wire form').choices(Object.keys(bodyForms)).default('native'),
      )
      .option('--rate <n>', 'messages a second; of the first step of knee', count, 2000)
      .option('--warm-up <seconds>', 'before the measured window', seconds, 3)
      .option('--seconds <seconds>', 'the measured window', seconds, 10)
      .option('--cool-down <seconds>', 'for messages that are late', seconds, 30)
      .option('--outage <seconds>', 'without a replica, of recovery', seconds, 60)
      .option('--limit <ms>', 'for 99 % of the messages, of knee', count, 250)
      .option('--steps <n>', 'rates at most, of knee', count, 8)
      .option('--generators <n>', 'processes that send', count, 1)
      .option('--inline', 'without worker threads, as a baseline', false)
      .option('--settings <json>', "further settings of the conductor's configuration", json, {})
      .option(
        '--broker <url>',
        'a broker of your own. The bench makes a queue, stream or topic in it, and removes it',
      )
      .option(
        '--database <url>',
        'a Postgres of your own. The bench makes two schemas in it, and removes them',
      );
    reportOptions(command).action((flags: ScenarioFlags) => {
      const unfit = flags.auth.find((mode) => mode === 'hmac' || mode === 'trove');
      if (name === 'mixed' && unfit !== undefined)
        command.error(`--auth ${unfit}: the calls of mixed are neither signed nor encrypted`);
      return runScenario(name, flags);
    });
  }
}

function isScenario(name: string): name is Scenario {
  return name in scenarios;
}

async function runScenario(name: Scenario, flags: ScenarioFlags): Promise<void> {
  const { rate, limit, steps, warmUp, seconds, coolDown, outage } = flags;
  const report = openReport(name, { ...flags });
  handleSignals();
  const runs: RunFigures[] = [];
  const setups = flags.transport.flatMap((transport) =>
    flags.instances.flatMap((instances) =>
      flags.replicas.flatMap((replicas) =>
        flags.auth.flatMap((auth) =>
          flags.body.map((body) => ({ transport, instances, replicas, auth, body })),
        ),
      ),
    ),
  );
  for (const setup of setups) {
    const missing = flags.broker === undefined ? missingFor(setup.transport) : undefined;
    // Over MQTT the broker of the demo takes its place.
    if (missing !== undefined && setup.transport !== 'mqtt') {
      report.tell(`${setup.transport} is left out: ${missing}`);
      continue;
    }
    const { codec, generators, settings, broker, database } = flags;
    const rig = { ...setup, codec, generators, settings, broker, database, isInline: flags.inline };
    const options = { rate, first: rate, limit, steps, warmUp, seconds, coolDown, outage };
    runs.push(...(await scenarios[name](rig, options, report.progress)));
  }
  await report.write({ runs, drains: [] });
}
