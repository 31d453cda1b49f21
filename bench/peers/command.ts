import { type Command, InvalidArgumentError } from 'commander';
import { messageOf } from '../../src/core/errors.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { findRabbitmq, startRabbitmq } from '../../test/support/rabbitmq.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { ProgressBar } from '../report/progress.ts';
import { programVersions } from '../report/versions.ts';
import type { Progress } from '../run/rig.ts';
import { peers } from './index.ts';
import { measurePeer, type PeerFigures } from './measure.ts';
import type { Peer } from './peer.ts';

interface Options {
  readonly only?: ReadonlyArray<Peer>;
  readonly scale: number;
  readonly changes: boolean;
}

/** `npm run bench -- peers`: the conductor beside programs that do the same work, in one run. */
export function addPeers(program: Command): void {
  program
    .command('peers')
    .description(
      'the same messages, the same RabbitMQ and Postgres: this conductor and others, one after the other',
    )
    .option('--only <names>', `some of ${peers.map(({ name }) => name).join(', ')}; all unless told`, chosen)
    .option('--scale <share>', 'how long the queues are, for a slow or busy machine', Number, 1)
    .option('--changes', 'each heartbeat changes the status of its instance, as when a fleet starts', false)
    .action(async ({ only: those = peers, scale, changes }: Options) => {
      const only = those.map((peer) => ({ ...peer, about: Math.ceil(peer.about * scale) }));
      console.log(`peers ${JSON.stringify({ only: only.map(({ name }) => name), scale, changes })}`);
      console.log(JSON.stringify(await programVersions()));
      if (findRabbitmq() === undefined) throw new Error('rabbitmq-server is not installed');
      const progress = new ProgressBar();
      const tell = (line: string) => {
        progress.end();
        console.log(line);
      };
      console.log(formatPeers(await measureAll(only, changes, progress, tell)));
    });
}

function chosen(text: string): Peer[] {
  return text.split(',').map((name) => {
    const peer = peers.find((one) => one.name === name);
    if (peer === undefined) throw new InvalidArgumentError(`there is no peer ${name}`);
    return peer;
  });
}

async function measureAll(
  only: ReadonlyArray<Peer>,
  changes: boolean,
  progress: Progress,
  tell: (line: string) => void,
): Promise<PeerFigures[]> {
  const figures: PeerFigures[] = [];
  const settings = { fsync: 'on', track_commit_timestamp: 'on', max_wal_size: '4GB' };
  const postgres = await startPostgres({ settings });
  const broker = await startRabbitmq();
  try {
    for (const peer of only) {
      const missing = await peer.missing();
      if (missing !== undefined) {
        tell(`${peer.name} is left out: ${missing}`);
        continue;
      }
      try {
        const place = { broker, postgres, folder: temporaryDirectory('peers'), changes };
        const show = (step: string) => progress.show(`${peer.name}: ${step}`, figures.length / only.length);
        const one = await measurePeer(peer, place, show);
        figures.push(one);
        tell(`${one.name}: ${one.rate.toFixed(0)}/s, ${one.lost} of ${one.of} lost`);
      } catch (error) {
        // The others are measured all the same.
        tell(`${peer.name} failed: ${messageOf(error)}`);
      }
    }
  } finally {
    await broker.kill();
    await postgres.stop();
  }
  return figures;
}

/** The table, each beside the first. */
export function formatPeers(figures: ReadonlyArray<PeerFigures>): string {
  const [first] = figures;
  const rows = figures.map(({ name, rate, p50, p99, cpu, lost, of }) => [
    name,
    rate.toFixed(0),
    first === undefined ? '-' : (first.rate / rate).toFixed(1),
    p50.toFixed(1),
    p99.toFixed(1),
    cpu.peer.toFixed(1),
    cpu.broker.toFixed(1),
    cpu.postgres.toFixed(1),
    `${lost} of ${of}`,
  ]);
  const heads = [
    '',
    'messages/s',
    `${first?.name ?? ''} ÷ it`,
    'p50 ms',
    'p99 ms',
    'its CPU µs',
    'broker µs',
    'Postgres µs',
    'lost',
  ];
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = [heads, ...rows].map((row) =>
    row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '),
  );
  return [
    ...lines,
    'messages/s and CPU a message: of a full queue. p50, p99: from the time a message was due until it was committed, at half of that rate.',
    'lost: acknowledged and never applied, after Postgres and half a second later the program were killed in the middle of a queue.',
  ].join('\n');
}
