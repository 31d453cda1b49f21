/** One round: one transport, one seed, faults one after the other, and the judgement at its end. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../../src/core/errors.ts';
import type { PostgresOptions } from '../../support/postgres.ts';
import { startBroker } from './brokers.ts';
import { Calling, type CallTally } from './calling.ts';
import { withCleanup } from './cleanup.ts';
import { mayHaveStandby, startPair, startSingle } from './database-servers.ts';
import { mountDisk } from './disk.ts';
import { faults as allFaults } from './faults/index.ts';
import { messageOf as messageToSend } from './messages.ts';
import { Oracle, type Tally } from './oracle.ts';
import { type Gap, Progress } from './progress.ts';
import { Publishing } from './publishing.ts';
import { randomOf } from './random.ts';
import { Replica } from './replica.ts';
import { untilEmpty, untilQuiet } from './round-end.ts';
import { isClustered, isSealed, planOf, type Step } from './schedule.ts';
import { describeLost, judge, leftovers, prepareDatabase, untilSettled } from './verify.ts';
import type { Cleanup, Disk, Fault, TransportName, World } from './world.ts';

export interface RoundOptions {
  readonly seed: string;
  readonly transport: TransportName;
  /** Of faults; starting, draining and judging come on top. */
  readonly seconds: number;
  /** Messages a second. */
  readonly rate: number;
  /** Seconds from the repair of a fault to the next one; the seed decides unless told. */
  readonly calm?: number | undefined;
  /** Whether the servers are clusters; the seed decides unless told. */
  readonly cluster?: boolean | undefined;
  /** All faults of ours unless told. */
  readonly faults?: ReadonlyArray<Fault>;
  /** Names of faults; all that the transport has unless told. */
  readonly only?: ReadonlyArray<string> | undefined;
  /** For the logs of the replicas. */
  readonly folder: string;
  readonly print: (line: string) => void;
  /** Milliseconds without any change after which what is missing is given up; half a minute unless told. */
  readonly patience?: number;
}

/** A part of a round: from one strike to before the next. */
export interface Part {
  /** `(none)` before the first. */
  readonly fault: string;
  readonly tally: Tally;
  /** Milliseconds. */
  readonly longestGap: number;
}

export interface RoundResult {
  readonly seed: string;
  readonly transport: TransportName;
  readonly broker: string;
  readonly replicas: number;
  readonly parts: ReadonlyArray<Part>;
  /** Of the lives of replicas that ended in good order. */
  readonly redelivered: number;
  readonly calls: CallTally;
  /** Faults that were left out, and why. */
  readonly excluded: ReadonlyArray<readonly [fault: string, why: string]>;
  /** What must not be; empty if all is well. */
  readonly problems: ReadonlyArray<string>;
}

interface Window {
  readonly fault: string;
  readonly from: number;
  readonly gap: Gap;
}

/** Milliseconds before the first fault. */
const warmUp = 1000;
/** Publishers wait while the messages of so many seconds are published and not in the database. So a slow machine gets less to do. */
const maxBacklog = 2;
/** Milliseconds between two audits of the accounts. */
const auditEvery = 500;

export function runRound(options: RoundOptions): Promise<RoundResult> {
  return withCleanup(options.print, (cleanup) => play(options, cleanup));
}

async function play(options: RoundOptions, cleanup: Cleanup): Promise<RoundResult> {
  const { seed, transport, seconds, rate, folder } = options;
  mkdirSync(folder, { recursive: true });
  const begin = performance.now();
  const print = (line: string) =>
    options.print(`${seed} ${transport} ${clock(performance.now() - begin)} ${line}`);
  const problems: string[] = [];
  const problem = (text: string) => {
    print(`PROBLEM: ${text}`);
    if (problems.length < 100) problems.push(text);
  };

  const most = Math.ceil((seconds + 60) * rate);
  const choice = {
    isClustered: options.cluster ?? isClustered(`${seed} ${transport}`),
    isSealed: isSealed(`${seed} ${transport}`),
  };
  const hasStandby = choice.isClustered && mayHaveStandby();
  // A disk that is full ends a primary and its standby.
  const disk = hasStandby ? undefined : mountDisk(cleanup, diskOf(most));
  const [broker, servers] = await Promise.all([
    startBroker[transport](cleanup, choice),
    (hasStandby ? startPair : startSingle)(cleanup, postgresOptions(disk)),
  ]);
  const { postgres, database, standby } = servers;
  await prepareDatabase(database, most);
  const chosen = chooseFaults({ broker, disk, standby }, options);
  const plan = planOf(`${seed} ${transport}`, chosen);
  const listener = await broker.listen();
  const replicas = await Promise.all(
    Array.from({ length: plan.replicas }, (_, index) =>
      Replica.create(
        {
          name: `r${index + 1}`,
          broker,
          database: servers,
          problem,
          keepLog: (name, text) => writeFileSync(join(folder, `${transport}-${name}.log`), text),
        },
        cleanup,
      ),
    ),
  );
  const label = `${broker.label}${hasStandby ? ', Postgres with a standby' : ''}`;
  print(`${label}, ${replicas.length} replicas, ${rate} messages/s, ${seconds} s`);

  const oracle = new Oracle(Math.floor(Date.now() / 1000) - 86_400);
  const progress = new Progress(database);
  const publishing = new Publishing({
    open: broker.open,
    oracle,
    message: (n, isFatal) => messageToSend(n, oracle.begin, broker.form, isFatal),
    rate,
    most,
    maxBacklog: maxBacklog * rate,
    backlog: () => progress.backlog,
    sent: (n) => progress.sent(n),
  });
  const calling = await Calling.start(broker.service, problem);
  cleanup.teardown(() => calling.close());
  const world: World = { transport, broker, postgres, standby, database, disk, replicas, publishing, sleep };
  const auditing = setInterval(() => void Promise.all(replicas.map((one) => one.audit())), auditEvery);
  cleanup.teardown(async () => clearInterval(auditing));

  const windows: Window[] = [{ fault: '(none)', from: 0, gap: progress.mark() }];
  const end = performance.now() + seconds * 1000;
  await sleep(warmUp);
  for (const step of plan.steps) {
    if (performance.now() >= end) break;
    windows.push({ fault: step.fault, from: oracle.attempted, gap: progress.mark() });
    try {
      await strike(step, chosen, world, print);
    } catch (error) {
      problem(`${step.fault}: ${messageOf(error)}`);
      break;
    }
    await sleep(options.calm === undefined ? step.calm : options.calm * 1000);
  }

  const [calls] = await Promise.all([calling.stop(), publishing.stop()]);
  print(`${oracle.attempted} messages are published; waiting until all are in the database`);
  await progress.stop();
  await untilSettled(database, oracle, listener, options.patience);
  print('settled; waiting until the replicas hold nothing');
  await untilQuiet(replicas);
  print('stopping the replicas');
  const settled = () => untilSettled(database, oracle, listener, options.patience);
  const leftYet = await untilEmpty(broker, print, settled);
  if (leftYet !== undefined) problem(`left at the broker while the replicas run: ${leftYet}`);
  await Promise.all(replicas.map((replica) => replica.stop()));
  clearInterval(auditing);
  const left = await broker.left(replicas.map(({ name }) => name)).catch(messageOf);
  if (left !== undefined) problem(`left at the broker: ${left}`);
  await judge(database, oracle);
  for (const text of [
    ...(await leftovers(database)),
    ...(await calling.verify(database)),
    ...describeLost(oracle),
    ...oracle.problems,
  ])
    problem(text);

  const parts = windows.map(
    ({ fault, from, gap }, index): Part => ({
      fault,
      tally: oracle.tally(from, windows[index + 1]?.from ?? oracle.attempted),
      longestGap: gap.longest,
    }),
  );
  const redelivered = replicas.reduce((sum, replica) => sum + replica.redelivered, 0);
  print(problems.length === 0 ? 'all is well' : `${problems.length} problems`);
  const excluded = [...broker.excluded];
  return {
    seed,
    transport,
    broker: label,
    replicas: replicas.length,
    parts,
    redelivered,
    calls,
    excluded,
    problems,
  };
}

/** Bytes: the log of Postgres and what its tables need for so many messages, twice over. */
const diskOf = (messages: number) => 1_500_000_000 + messages * 1000;

function postgresOptions(disk: Disk | undefined): PostgresOptions {
  const settings = { max_connections: '100', max_wal_size: '256MB', min_wal_size: '80MB' };
  return { settings, ...(disk && { dataDirectory: join(disk.folder, 'data') }) };
}

function chooseFaults(
  world: Pick<World, 'broker' | 'disk' | 'standby'>,
  { only, faults = allFaults }: RoundOptions,
): Fault[] {
  return faults.filter(
    (fault) =>
      (only?.includes(fault.name) ?? true) &&
      (fault.possible?.(world) ?? true) &&
      !world.broker.excluded.has(fault.name),
  );
}

async function strike(
  step: Step,
  faults: ReadonlyArray<Fault>,
  world: World,
  print: (line: string) => void,
): Promise<void> {
  const fault = faults.find(({ name }) => name === step.fault);
  if (fault === undefined) throw new RangeError(`there is no fault ${step.fault}`);
  print(`${fault.name} for ${step.lasts} ms`);
  const begin = performance.now();
  const detail = await fault.run(world, step.lasts, randomOf(step.seed));
  print(`${fault.name} repaired after ${Math.round(performance.now() - begin)} ms: ${detail}`);
}

function clock(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1).padStart(6)} s`;
}
