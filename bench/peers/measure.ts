import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Postgres } from '../../test/support/postgres.ts';
import type { Process } from '../../test/support/processes.ts';
import type { Rabbitmq } from '../../test/support/rabbitmq-api.ts';
import type { Server } from '../../test/support/server.ts';
import { waitFor } from '../../test/support/wait.ts';
import { now } from '../clock.ts';
import { cpuTime } from '../cpu.ts';
import { instanceId } from '../messages.ts';
import { quantilesOf } from '../run/quantiles.ts';
import { type Applied, commitsOf, makeDatabase } from './database.ts';
import type { Peer } from './peer.ts';
import { openQueue, type TroveQueue } from './queue.ts';

export interface PeerFigures {
  readonly name: string;
  /** Messages a second, of a full queue. */
  readonly rate: number;
  /** Milliseconds from the time a message was due until it was committed, at half of that rate. */
  readonly p50: number;
  readonly p99: number;
  /** CPU microseconds a message, of the full queue. */
  readonly cpu: { readonly peer: number; readonly broker: number; readonly postgres: number };
  /** Of so many messages, those that were never applied after Postgres and then the peer were killed. */
  readonly lost: number;
  readonly of: number;
}

export interface Place {
  readonly broker: Rabbitmq & Server;
  readonly postgres: Postgres & Server;
  readonly folder: string;
  /** Whether each heartbeat changes a status. */
  readonly changes: boolean;
}

/** Seconds of the full queue, of the paced load and of the load in whose middle both are killed. */
const lasts = { full: 6, paced: 8, killed: 4 };
/** Milliseconds without a commit after which no more is expected. */
const quiet = 3000;
/** Milliseconds that a peer may take for a step. */
const patience = 60_000;

/** Measures one peer, in a virtual host and a database of its own. */
export async function measurePeer(
  peer: Peer,
  { broker, postgres, folder, changes }: Place,
  show: (step: string) => void = () => {},
): Promise<PeerFigures> {
  const name = `peer_${peer.name.replaceAll('-', '_')}`;
  const [full, killed] = [peer.about * lasts.full, peer.about * lasts.killed];
  // The paced load has half of the rate, which may be twice what was thought.
  const fleet = full + killed + peer.about * lasts.paced * 2;
  const at = postgres.url(name);
  const contents = { tables: peer.tables?.() ?? '', instances: fleet, changes };
  const since = await makeDatabase(postgres.url(), at, contents);
  const database = { url: at, table: peer.table ?? 'service_statuses', since };
  const url = await broker.createVhost(name);
  const queue = await openQueue(url);
  const own = join(folder, name);
  mkdirSync(own);
  const start = () => peer.start({ broker: url, database: at, folder: own });
  show('start');
  let child = start();
  try {
    await consumes(broker, name, child);
    show('full queue');
    const drained = await drainFull(child, queue, { broker, postgres, database, full });
    show('half of its rate');
    const rate = Math.min(drained.rate / 2, peer.about);
    const { p50, p99 } = await pace(queue, database, full + 1, Math.round(rate * lasts.paced), rate);
    show('killed in the middle');
    const first = fleet - killed + 1;
    await paused(child, () => queue.fill(first, killed, Number.POSITIVE_INFINITY));
    await applied(database, first, killed, Math.round(killed * 0.4), child);
    await postgres.kill();
    await sleep(500);
    await child.kill();
    await postgres.restart();
    child = start();
    await waitFor(async () => (await unsettled(broker, name)) === 0, {
      what: `${peer.name} to empty the queue`,
      timeout: patience,
      interval: 500,
      process: child,
    });
    const left = await allCommits(database, queue, first, killed);
    return { name: peer.name, ...drained, p50, p99, lost: killed - left.length, of: killed };
  } finally {
    await child.kill();
    await queue.close();
    await broker.deleteVhost(name);
  }
}

async function drainFull(
  child: Process,
  queue: TroveQueue,
  {
    broker,
    postgres,
    database,
    full,
  }: Pick<Place, 'broker' | 'postgres'> & { readonly database: Applied; readonly full: number },
): Promise<Pick<PeerFigures, 'rate' | 'cpu'>> {
  const used = () => ({
    peer: cpuTime(child.pid),
    broker: cpuTime(broker.pid),
    postgres: cpuTime(postgres.pid),
  });
  let before = used();
  await paused(child, async () => {
    await queue.fill(1, full, Number.POSITIVE_INFINITY);
    before = used();
  });
  const times = (await allCommits(database, queue, 1, full)).map(({ committed }) => committed);
  const after = used();
  if (times.length === 0)
    throw new Error(
      `it applied none of ${full} messages. The end of its output: ${child.output().slice(-1000)}`,
    );
  // Without the first and the last ones, when it starts and ends.
  const at = (part: number) => times[Math.floor((times.length - 1) * part)] ?? Number.NaN;
  const rate = (times.length * 0.9) / ((at(0.95) - at(0.05)) / 1000);
  const perMessage = (name: keyof typeof before) => (after[name] - before[name]) / times.length;
  return {
    rate,
    cpu: { peer: perMessage('peer'), broker: perMessage('broker'), postgres: perMessage('postgres') },
  };
}

async function pace(queue: TroveQueue, database: Applied, first: number, count: number, rate: number) {
  const begin = now();
  await queue.fill(first, count, rate);
  const commits = await allCommits(database, queue, first, count);
  const due = new Map(
    Array.from({ length: count }, (_, index) => [instanceId(first + index), begin + (index / rate) * 1000]),
  );
  const times = commits.map(({ committed, instance }) => committed - (due.get(instance) ?? 0));
  const { p50 = Number.NaN, p99 = Number.NaN } = quantilesOf(times) ?? {};
  return { p50, p99 };
}

/** Waits until the queue is empty and nothing more is committed: a program may have taken the whole queue into its memory. */
async function allCommits(
  database: Applied,
  queue: TroveQueue,
  first: number,
  count: number,
): Promise<Awaited<ReturnType<typeof commitsOf>>> {
  const last = now() + patience;
  while ((await queue.waiting()) > 0 && now() < last) await sleep(50);
  let changedAt = now();
  for (let known = -1; ; ) {
    const commits = await commitsOf(database, first, count);
    if (commits.length !== known) changedAt = now();
    known = commits.length;
    if (known === count || now() - changedAt > quiet || now() > last) return commits;
    await sleep(500);
  }
}

/** Has the whole process group stand still meanwhile, so that the queue fills up in front of a program that has started. */
async function paused(child: Process, work: () => Promise<void>): Promise<void> {
  process.kill(-child.pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(-child.pid, 'SIGCONT');
  }
}

async function applied(
  database: Applied,
  first: number,
  of: number,
  wanted: number,
  child: Process,
): Promise<void> {
  await waitFor(async () => (await commitsOf(database, first, of)).length >= wanted, {
    what: `${wanted} applied messages`,
    timeout: patience,
    interval: 20,
    process: child,
  });
}

async function consumes(broker: Rabbitmq, vhost: string, child: Process): Promise<void> {
  const stats = () => broker.queueStats(vhost, 'trove-conductor');
  await waitFor(async () => ((await stats())?.consumers ?? 0) > 0, {
    what: 'a consumer',
    timeout: patience,
    interval: 200,
    process: child,
  });
  // Node's and Python's first second is not over yet.
  await sleep(1000);
}

async function unsettled(broker: Rabbitmq, vhost: string): Promise<number | undefined> {
  const stats = await broker.queueStats(vhost, 'trove-conductor');
  return stats && stats.ready + stats.unacked;
}
