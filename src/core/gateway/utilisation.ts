import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { LoadMeter } from './load-meter.ts';

/** The parts of a replica that can be the bottleneck. Each is a share between 0 and 1. */
export interface UtilisationParts {
  /** Messages in workers, of those that all slots with full batches would hold. Small batches leave room for more messages. */
  readonly batches: number;
  /** Call slots that are taken, a call that waits for Postgres included. */
  readonly calls: number;
  /** The main thread's time that is not idle. */
  readonly mainThread: number;
}

export interface UtilisationOptions {
  /** Messages in workers. */
  readonly messages: Pick<LoadMeter, 'total'>;
  /** The messages in all slots with full batches. */
  readonly mostMessages: number;
  /** Calls in workers. */
  readonly calls: Pick<LoadMeter, 'total'>;
  readonly callSlots: number;
  /** Whether messages are held. Further replicas would not help then, so the figures stay as they are. */
  readonly isHeld: () => boolean;
}

/** Milliseconds between two samples. */
const interval = 1000;
/** Samples of the window: the figures are means over so many seconds. */
const window = 15;

interface Sample {
  readonly at: number;
  readonly messages: number;
  readonly calls: number;
  readonly loop: EventLoopUtilization;
}

const idle: UtilisationParts = { batches: 0, calls: 0, mainThread: 0 };

/**
 * The share of the replica's capacity that is in use: the mean of the last 15 seconds. It comes from the time of slots and of the main thread,
 * so it means the same on every transport, and needs no look at a broker's backlog.
 */
export class Utilisation {
  private readonly options: UtilisationOptions;
  private samples: Sample[] = [];
  private timer: NodeJS.Timeout | undefined;
  parts: UtilisationParts = idle;

  constructor(options: UtilisationOptions) {
    this.options = options;
  }

  /** The largest part: the resource that will be short first. */
  get value(): number {
    const { batches, calls, mainThread } = this.parts;
    return Math.max(batches, calls, mainThread);
  }

  start(): void {
    this.take();
    this.timer = setInterval(() => this.take(), interval).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Takes a sample. */
  take(): void {
    const { messages, mostMessages, calls, callSlots, isHeld } = this.options;
    if (isHeld()) {
      // The window begins anew after the hold.
      this.samples = [];
      return;
    }
    const now: Sample = {
      at: performance.now(),
      messages: messages.total,
      calls: calls.total,
      loop: performance.eventLoopUtilization(),
    };
    const [first] = this.samples;
    this.samples.push(now);
    if (first === undefined) return;
    if (this.samples.length > window) this.samples.shift();
    const time = now.at - first.at;
    this.parts = {
      batches: share(now.messages - first.messages, mostMessages * time),
      calls: share(now.calls - first.calls, callSlots * time),
      mainThread: performance.eventLoopUtilization(now.loop, first.loop).utilization,
    };
  }
}

function share(used: number, available: number): number {
  return available > 0 ? Math.min(1, Math.max(0, used / available)) : 0;
}
