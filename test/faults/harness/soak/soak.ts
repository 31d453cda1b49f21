/** A soak: one replica at half of what it can do, for long, and nothing that it uses may grow. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../../../support/wait.ts';
import { startBroker } from '../brokers.ts';
import { Calling } from '../calling.ts';
import { withCleanup } from '../cleanup.ts';
import { startSingle } from '../database-servers.ts';
import { sentOf } from '../messages.ts';
import { Oracle } from '../oracle.ts';
import { Publishing } from '../publishing.ts';
import { Replica } from '../replica.ts';
import { prepareDatabase } from '../verify.ts';
import type { Cleanup, TransportName } from '../world.ts';
import { Fleet } from './fleet.ts';
import { newestOf, soakMessage } from './messages.ts';
import { Sampling, type Series, sampleEvery } from './sampling.ts';

export interface SoakOptions {
  readonly transport: TransportName;
  /** Of sampling. A quarter of it comes before, until all tables have their size. */
  readonly seconds: number;
  /** Messages a second; undefined: half of what the replica can do beside the publishers. */
  readonly rate: number | undefined;
  /** For the log of the replica. */
  readonly folder: string;
  readonly print: (line: string) => void;
}

export interface SoakResult {
  readonly series: ReadonlyArray<Series>;
  readonly messages: number;
  readonly rate: number;
  /** What must not be, but for growth; empty if all is well. */
  readonly problems: ReadonlyArray<string>;
}

const probe = fileURLToPath(new URL('probe.ts', import.meta.url));
/** Messages that wait while the replica's rate is measured. */
const maxBacklog = 20_000;
/** Milliseconds of that measurement, the first of which do not count. */
const measuring = [5000, 15_000] as const;

/** Bounds that the tables reach in the time before the sampling. */
const bounds = {
  deadLetters: { maxRows: 500, perSender: 1_000_000 },
  transitions: { maxRows: 5000 },
  calls: { maxResults: 500 },
};
const postgres = { settings: { autovacuum_naptime: '10s', max_connections: '100' } };

export function runSoak(options: SoakOptions): Promise<SoakResult> {
  return withCleanup(options.print, (cleanup) => soak(options, cleanup));
}

async function soak(options: SoakOptions, cleanup: Cleanup): Promise<SoakResult> {
  const { transport, seconds, folder, print } = options;
  mkdirSync(folder, { recursive: true });
  const problems: string[] = [];
  const problem = (text: string) => {
    print(`PROBLEM: ${text}`);
    if (problems.length < 100) problems.push(text);
  };
  const [broker, servers] = await Promise.all([
    startBroker[transport](cleanup, { isClustered: false, isSealed: false }),
    startSingle(cleanup, postgres),
  ]);
  const { database } = servers;
  await prepareDatabase(database, 1);
  await broker.listen();
  const probeFile = join(folder, 'probe.jsonl');
  writeFileSync(probeFile, '');
  const replica = await Replica.create(
    {
      name: 'soaked',
      broker,
      database: servers,
      problem,
      keepLog: (name, text) => writeFileSync(join(folder, `${name}.log`), text),
      settings: { ...bounds, log: { level: 'info' } },
      variables: {
        NODE_OPTIONS: `--import ${probe}`,
        HARNESS_PROBE_FILE: probeFile,
        HARNESS_PROBE_INTERVAL: String(sampleEvery / 2),
      },
    },
    cleanup,
  );
  const oracle = new Oracle(Math.floor(Date.now() / 1000) - 86_400);
  const fleet = new Fleet(database, oracle);
  cleanup.teardown(() => fleet.stop());
  const publish = (rate: number) =>
    new Publishing({
      open: broker.open,
      oracle,
      message: (n) => soakMessage(n, oracle.begin),
      rate,
      most: Number.POSITIVE_INFINITY,
      maxBacklog,
      backlog: () => fleet.backlog,
      sent: (n) => fleet.sent(n),
    });
  const rate = options.rate ?? Math.round((await rateOf(publish(1_000_000), fleet)) / 2);
  print(
    `${broker.label}: ${rate} messages a second${options.rate === undefined ? ', half of what it can do' : ''}`,
  );

  const calling = await Calling.start(broker.service, problem);
  cleanup.teardown(() => calling.close());
  const publishing = publish(rate);
  const sampling = new Sampling({
    database,
    pid: replica.pid,
    probeFile,
    backlog: () => fleet.backlog,
    rate,
  });
  const auditing = setInterval(() => void replica.audit(), 1000);
  cleanup.teardown(async () => clearInterval(auditing));
  print('waiting until the tables have their sizes');
  await sleep((seconds * 1000) / 4);
  print(`sampling for ${seconds} s`);
  await sampling.run(seconds * 1000);
  await Promise.all([calling.stop(), publishing.stop()]);
  print(`${oracle.attempted} messages are published; waiting until all are in the database`);
  const newest = newestOf(oracle.attempted);
  const isThere = async () => {
    const rows = await database.query<{ instance: string; sent: number }>(
      "SELECT instance_id AS instance, sent FROM service_statuses WHERE instance_id LIKE '0b%'",
    );
    const stored = new Map(rows.map(({ instance, sent }) => [instance, sent]));
    return [...newest].every(([instance, n]) => stored.get(instance) === sentOf(oracle.begin, n));
  };
  await waitFor(isThere, {
    what: 'the newest status of each instance',
    timeout: 120_000,
    interval: 500,
  }).catch((error: Error) => problem(error.message));
  await fleet.stop();
  clearInterval(auditing);
  await replica.stop();
  for (const text of await calling.verify(database)) problem(text);
  return { series: sampling.series, messages: oracle.attempted, rate, problems };
}

/** Messages a second that are committed while as many are published as the backlog allows. */
async function rateOf(publishing: Publishing, fleet: Fleet): Promise<number> {
  const [before, during] = measuring;
  await sleep(before);
  const [count, begin] = [fleet.committed, performance.now()];
  await sleep(during);
  const rate = ((fleet.committed - count) * 1000) / (performance.now() - begin);
  await publishing.stop();
  return rate;
}
