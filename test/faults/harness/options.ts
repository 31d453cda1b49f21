/** The command line of a run. */
import { parseArgs } from 'node:util';
import { faults } from './faults/index.ts';
import { type TransportName, transports } from './world.ts';

export interface RunOptions {
  /** Of faults in all, for each seed; the transports share them. */
  readonly minutes: number;
  readonly seeds: ReadonlyArray<string>;
  readonly transports: ReadonlyArray<TransportName>;
  readonly rate: number | undefined;
  /** Seconds from the repair of a fault to the next one; undefined: the seed decides. */
  readonly calm: number | undefined;
  /** One replica at half of what it can do, instead of faults. */
  readonly soak: boolean;
  /** Whether the servers are clusters; undefined: the seed decides. */
  readonly cluster: boolean | undefined;
  readonly only: ReadonlyArray<string> | undefined;
  /** Keeps the logs of the replicas; otherwise they are kept if something is wrong. */
  readonly logs: string | undefined;
  /** Rounds are added to it, one a line, and the table is about all that are there. */
  readonly results: string | undefined;
}

export const usage = `npm run test:faults -- --minutes N [--seed S[,S]] [--transport T[,T]] [--rate R] [--calm N] [--fault F[,F]] [--servers single|cluster]
  --minutes    minutes of faults for each seed; the transports share them
  --seed       any text; a new one unless told. Several make several runs
  --transport  ${transports.join(', ')}; all unless told
  --rate       messages a second; 4000 unless told
  --calm       seconds from the repair of a fault to the next one; 0.3 to 1.5 unless told
  --fault      ${faults.map(({ name }) => name).join(', ')}; all unless told
  --servers    single: one broker and one Postgres; cluster: three nodes, and a Postgres with a standby; the seed decides unless told
  --soak       no faults: one replica at half of what it can do, for so many minutes on each transport; nothing that it uses may grow
  --logs       a folder that keeps the logs of the replicas, also if all is well
  --results    a file that the rounds are added to; the table is then about all rounds in it`;

/** Whether the arguments ask for a run of the harness, instead of the test files. */
export const isHarness = (args: ReadonlyArray<string>): boolean =>
  args.some((arg) => /^--(minutes|seed|transport|rate|calm|fault|servers|logs|results|soak)(=|$)/.test(arg));

/** Throws Error with the usage if they are wrong. */
export function parseOptions(args: ReadonlyArray<string>, newSeed: () => string): RunOptions {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== '--faults' && !arg.startsWith('--concurrency')),
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string' },
      transport: { type: 'string', default: transports.join(',') },
      rate: { type: 'string' },
      calm: { type: 'string' },
      soak: { type: 'boolean', default: false },
      fault: { type: 'string' },
      servers: { type: 'string' },
      logs: { type: 'string' },
      results: { type: 'string' },
    },
  });
  const names = faults.map(({ name }) => name);
  return {
    minutes: positive('minutes', values.minutes),
    seeds: values.seed?.split(',') ?? [newSeed()],
    transports: values.transport.split(',').map((name) => oneOf('transport', name, transports)),
    rate: values.rate === undefined ? undefined : positive('rate', values.rate),
    calm: values.calm === undefined ? undefined : positive('calm', values.calm),
    soak: values.soak,
    cluster:
      values.servers === undefined
        ? undefined
        : oneOf('servers', values.servers, ['single', 'cluster']) === 'cluster',
    only: values.fault?.split(',').map((name) => oneOf('fault', name, names)),
    logs: values.logs,
    results: values.results,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} ${text}: it must be a number above 0\n${usage}`);
  return value;
}

function oneOf<T extends string>(name: string, text: string, all: ReadonlyArray<T>): T {
  const found = all.find((one) => one === text);
  if (found === undefined) throw new Error(`--${name} ${text}: there is none of this name\n${usage}`);
  return found;
}
