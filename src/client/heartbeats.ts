import { pause } from '../core/backoff.ts';
import type { HeartbeatInterval, ServiceStatus } from './methods.ts';
import type { CallOptions, CastOptions } from './options.ts';

export interface HeartbeatOptions {
  /** The status now. It is asked before each heartbeat. Undefined: the guest only reports that it is alive. */
  readonly status: () => ServiceStatus | undefined;
  /** The guest. The client's sender by default. */
  readonly instance?: string;
  /** Seconds between two heartbeats as long as the conductor has not said how often. 60 by default. */
  readonly fallback?: number;
  /** Takes the errors of heartbeats and of questions to the conductor. The loop goes on after each. */
  readonly onError?: (error: unknown) => void;
}

/** The part of a client that sends. */
export interface HeartbeatSender {
  cast(
    method: 'heartbeat',
    args: { readonly instance_id: string; readonly payload: { readonly service_status?: ServiceStatus } },
    options: CastOptions,
  ): Promise<unknown>;
  heartbeatInterval(options: CallOptions): Promise<HeartbeatInterval>;
}

/** Heartbeats after which the conductor is asked anew: the fleet may have grown. */
const askEvery = 20;

/** Milliseconds to wait for its answer. */
const patience = 30_000;

/** Seconds. A shorter interval would be a loop, a longer one is no timer. */
const bounds = { least: 0.001, most: 86_400 };

/**
 * Heartbeats of one guest, as often as the conductor asks for. The first one leaves at once, so that the guest is known. The second one has
 * a random delay of one to two intervals, so that guests that start together do not send together for ever. The conductor is asked by the call
 * `heartbeat_interval`, at the start and once in a while. If it does not answer, its last answer or `fallback` counts.
 */
export class Heartbeats {
  private readonly sender: HeartbeatSender;
  private readonly options: HeartbeatOptions & { readonly instance: string };
  private readonly stopping = new AbortController();
  private readonly signal: AbortSignal;
  private seconds: number;

  /** @param closed ends the heartbeats, as `stop` does. */
  constructor(
    sender: HeartbeatSender,
    options: HeartbeatOptions & { readonly instance: string },
    closed: AbortSignal,
  ) {
    this.sender = sender;
    this.options = options;
    const { fallback = 60 } = options;
    if (!(fallback >= bounds.least && fallback <= bounds.most))
      throw new RangeError(
        `fallback: must be a number of seconds from ${bounds.least} to ${bounds.most}, not ${fallback}`,
      );
    this.seconds = fallback;
    this.signal = AbortSignal.any([closed, this.stopping.signal]);
    void this.run();
  }

  /** Seconds between two heartbeats now. */
  get interval(): number {
    return this.seconds;
  }

  /** Ends the heartbeats. A second call does nothing. */
  stop(): void {
    this.stopping.abort();
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    for (let count = 0; !this.signal.aborted; count += 1) {
      const isFirst = count === 0;
      // It is not waited for: without a connection a newer heartbeat takes its place.
      void this.beat();
      if (count % askEvery === 0) await this.ask();
      const share = isFirst ? 1 + Math.random() : 1;
      await pause(this.seconds * share * 1000, this.signal);
    }
  }

  private async beat(): Promise<void> {
    const { instance, status, onError } = this.options;
    try {
      const word = status();
      await this.sender.cast(
        'heartbeat',
        { instance_id: instance, payload: word === undefined ? {} : { service_status: word } },
        { sender: instance },
      );
    } catch (error) {
      if (!this.signal.aborted) onError?.(error);
    }
  }

  private async ask(): Promise<void> {
    try {
      const { interval } = await this.sender.heartbeatInterval({ timeout: patience, signal: this.signal });
      if (!(interval >= bounds.least && interval <= bounds.most))
        throw new RangeError(`the conductor asks for an interval of ${interval} s, which is not followed`);
      this.seconds = interval;
    } catch (error) {
      if (!this.signal.aborted) this.options.onError?.(error);
    }
  }
}
