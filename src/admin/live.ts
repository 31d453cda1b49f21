import type { ServerResponse } from 'node:http';
import { pause } from '../core/backoff.ts';
import { settledBy } from '../core/deadline.ts';
import type { PageState, Point } from '../core/page-answers.ts';
import type { MetricsSubject } from './metrics/subject.ts';
import type { PageSource } from './page-source.ts';
import { pointBetween, type Reading, readCounters, stateOf } from './replica-state.ts';

/** Milliseconds between two events. */
const ordinaryInterval = 2000;
/** Milliseconds that an event waits for the database. Without an answer it says what is known. */
const patience = 1000;
/** Pages that watch at once. */
export const mostWatchers = 20;
/** Points that are kept: ten minutes. */
const mostPoints = 300;
/** Bytes that a slow reader may have waiting. Each event says everything, so a reader misses nothing if it gets a later one. */
const mostWaiting = 1_000_000;

/**
 * Tells the pages that watch what has changed, as server-sent events. It looks at nothing while no page watches.
 *
 * ```
 *   no page ── add ──► looks every two seconds ── the last page goes ──► no page
 * ```
 */
export class Live {
  private readonly subject: MetricsSubject;
  private readonly source: Pick<PageSource, 'look' | 'seen'>;
  private readonly interval: number;
  private readonly watchers = new Set<ServerResponse>();
  private readonly points: Point[] = [];
  private readonly stopping = new AbortController();
  private before: Reading | undefined;
  private last: string | undefined;
  private isLooping = false;

  /** @param interval milliseconds between two events. */
  constructor(
    subject: MetricsSubject,
    source: Pick<PageSource, 'look' | 'seen'>,
    interval = ordinaryInterval,
  ) {
    this.subject = subject;
    this.source = source;
    this.interval = interval;
  }

  /** Whether a page watches, or one has just gone. */
  get isLooking(): boolean {
    return this.isLooping;
  }

  get hasRoom(): boolean {
    return this.watchers.size < mostWatchers && !this.stopping.signal.aborted;
  }

  /** Adds a page. Its response has a head already. It gets the points that are known, and then one event after the other. */
  add(response: ServerResponse): void {
    this.watchers.add(response);
    // A page that goes without a word shows in the same way.
    const gone = () => this.watchers.delete(response);
    response.on('close', gone);
    response.on('error', gone);
    response.write(`retry: ${this.interval}\n\n${eventOf('points', this.points)}${this.last ?? ''}`);
    if (!this.isLooping) void this.loop();
  }

  /** Ends the responses. Never rejects. */
  stop(): void {
    this.stopping.abort();
    for (const response of this.watchers) response.end();
    this.watchers.clear();
  }

  /** Never rejects. */
  private async loop(): Promise<void> {
    const { signal } = this.stopping;
    this.isLooping = true;
    // The counters have gone on since the last page went.
    this.before = undefined;
    while (this.watchers.size > 0 && !signal.aborted) {
      await settledBy(this.source.look(), AbortSignal.any([signal, AbortSignal.timeout(patience)]));
      this.tell();
      await pause(this.interval, signal);
    }
    this.last = undefined;
    this.isLooping = false;
  }

  private tell(): void {
    const { present, fleet, problem, problemSince } = this.source.seen;
    const reading = readCounters(this.subject, problem === undefined ? present : undefined);
    const point = this.before && pointBetween(this.before, reading);
    this.before = reading;
    if (point !== undefined) this.points.push(point);
    if (this.points.length > mostPoints) this.points.shift();
    const shown = problem && this.subject.mask(problem);
    const seen = { present, fleet, problem: shown, problemSince };
    const state: PageState = { at: reading.at, ...stateOf(this.subject), ...seen };
    this.last = eventOf('state', state);
    const event = (point === undefined ? '' : eventOf('point', point)) + this.last;
    for (const response of this.watchers) {
      if (response.writableLength > mostWaiting) response.destroy();
      else response.write(event);
    }
  }
}

function eventOf(name: string, value: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}
