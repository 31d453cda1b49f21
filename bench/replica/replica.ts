import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';
import { stringify } from 'yaml';
import type { Conductor } from '../../src/conductor/replica.ts';
import { startConductor } from '../../src/conductor.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { createLogger } from '../../src/core/logger.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { answer } from '../run/child.ts';
import { startInline } from './inline.ts';
import { Observer, type Sample } from './observer.ts';
import { channelName, dataOf, isThreadFigures, type ThreadFigures } from './probe.ts';

/** A process with one replica, started as `conductor start` does it, and observed. */

export interface ReplicaTask {
  /** The configuration. Its one transport is called `bench`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** One message in so many is timed. */
  readonly sampleEvery: number;
  /** Without worker threads: decoding and SQL on the main thread. */
  readonly isInline: boolean;
}

/** Milliseconds since the epoch. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

export interface ReplicaFigures {
  readonly cpuMicroseconds: number;
  readonly threads: ReadonlyArray<ThreadFigures>;
  /** Messages settled in the window. */
  readonly settled: number;
}

export interface ReplicaSamples {
  /** Of messages that were due in the window. */
  readonly samples: ReadonlyArray<Sample>;
  /** Sizes of the batches that were settled in the window. */
  readonly batches: ReadonlyArray<number>;
  readonly peakBytes: number;
}

/** Samples of messages that were due in one window, and batches that were settled in another. */
export interface SamplesTask {
  readonly window: Window;
  readonly due: Window;
}

export interface ReplicaCounts {
  readonly settled: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly redelivered: number;
  readonly held: number;
  /** Milliseconds since the epoch. */
  readonly lastSettledAt: number;
}

/** Milliseconds after which a message counts as a part of a backlog. */
const late = 1000;

/** Milliseconds in which all threads answer. */
const patience = 200;

answer(async ({ config: raw, sampleEvery, isInline }: ReplicaTask) => {
  const config = parseConfig(stringify(raw), 'bench', {}, transportKinds);
  const observer = new Observer(sampleEvery);
  const observed = { ...config, transports: config.transports.map((one) => observer.observe(one)) };
  const start = isInline ? startInline : startConductor;
  const conductor: Pick<Conductor, 'counters' | 'stop'> = await start(observed, createLogger('warn'));
  const channel = new BroadcastChannel(channelName);
  let cpu = process.cpuUsage();
  let settled = 0;
  return {
    reset() {
      channel.postMessage('reset');
      cpu = process.cpuUsage();
      settled = observer.settled;
    },
    async read(): Promise<ReplicaFigures> {
      const { user, system } = process.cpuUsage(cpu);
      const done = observer.settled - settled;
      const threads: ThreadFigures[] = [];
      channel.onmessage = (event: unknown) => {
        const figures = dataOf(event);
        if (isThreadFigures(figures)) threads.push(figures);
      };
      channel.postMessage('read');
      await sleep(patience);
      return { cpuMicroseconds: user + system, threads, settled: done };
    },
    samples({ window, due }: SamplesTask): ReplicaSamples {
      return {
        samples: observer.samples.filter((one) => one.due >= due.from && one.due < due.to),
        batches: observer.batches
          .filter(({ at }) => at >= window.from && at < window.to)
          .map(({ size }) => size),
        // Kibibytes on Linux.
        peakBytes: process.resourceUsage().maxRSS * 1024,
      };
    },
    /** When the last message was settled that had waited for more than a second. */
    caughtUpAt(): number {
      return observer.samples.findLast(({ due, settled }) => settled - due > late)?.settled ?? 0;
    },
    counts(): ReplicaCounts {
      const counters = conductor.counters.get('bench');
      const { outcomes = {}, redelivered = 0, held = 0 } = counters ?? {};
      const { settled, lastSettledAt } = observer;
      return { settled, outcomes: { ...outcomes }, redelivered, held, lastSettledAt };
    },
    stop: () => conductor.stop(),
  };
});
