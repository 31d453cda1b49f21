/** Publishes at a steady rate, and each message again until the broker has confirmed it, as a guest does. */
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../support/wait.ts';
import { kindOf, type Numbered } from './messages.ts';
import type { Oracle } from './oracle.ts';
import type { Publisher } from './world.ts';

export interface PublishingOptions {
  readonly open: () => Promise<Publisher>;
  readonly oracle: Oracle;
  /** @param isFatal of a poison: it is to end the thread that runs it. */
  readonly message: (n: number, isFatal: boolean) => Numbered;
  /** Messages a second, of all publishers. */
  readonly rate: number;
  /** The most messages of the round: so many instances are known to the database. */
  readonly most: number;
  /** Publishers wait while more messages than this are not in the database. */
  readonly maxBacklog: number;
  readonly backlog: () => number;
  readonly sent: (n: number) => void;
}

const publishers = 2;
/** Messages of one publisher that are not confirmed. */
const window = 1000;
/** Milliseconds. */
const tick = 5;
const reopenAfter = 100;
/** Milliseconds without a confirm after which a publisher makes a new connection. Longer than any alarm of a broker. */
const patience = 20_000;

export class Publishing {
  readonly #options: PublishingOptions;
  #stopping = false;
  #paused = false;
  #unconfirmed = 0;
  /** Waits for the next poison, which is to be fatal. */
  #fatal: ((instance: string) => void) | undefined;
  #budget = 0;
  #filledAt = performance.now();
  readonly #done: Promise<unknown>;

  constructor(options: PublishingOptions) {
    this.#options = options;
    this.#done = Promise.all(Array.from({ length: publishers }, () => this.#publish()));
    // Its rejection is the one of `stop`.
    this.#done.catch(() => {});
  }

  /** Sends no new message; resolves once all that were sent are confirmed. */
  async pause(): Promise<void> {
    this.#paused = true;
    await waitFor(() => this.#unconfirmed === 0, {
      what: 'the publishers to have all confirmed',
      timeout: 60_000,
    });
  }

  resume(): void {
    this.#paused = false;
  }

  /** The next poison ends the thread that runs it; resolves with its instance once it is sent. */
  nextPoisonIsFatal(): Promise<string> {
    return new Promise((resolve) => {
      this.#fatal = resolve;
    });
  }

  /** Resolves once all that were sent are confirmed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }

  async #publish(): Promise<void> {
    /** Without a confirm, in the order of sending. */
    const waiting = new Map<number, Numbered>();
    while (!(this.#stopping && waiting.size === 0)) {
      const publisher = await this.#options.open().catch(() => undefined);
      if (publisher !== undefined) await this.#useConnection(publisher, waiting);
      else await sleep(reopenAfter);
    }
  }

  /** Until the connection ends, or all is done. */
  async #useConnection(publisher: Publisher, waiting: Map<number, Numbered>): Promise<void> {
    let ended = false;
    void publisher.ended.then(() => {
      ended = true;
    });
    let lastConfirm = performance.now();
    const send = (message: Numbered) =>
      publisher.send(message, () => {
        lastConfirm = performance.now();
        // A connection that has ended may confirm late what another one has sent again.
        if (!waiting.delete(message.n)) return;
        this.#unconfirmed -= 1;
        this.#options.oracle.acknowledge(message.n);
      });
    for (const message of [...waiting.values()]) {
      this.#options.oracle.repeat(message.n);
      send(message);
    }
    while (!ended && !(this.#stopping && waiting.size === 0)) {
      for (let room = this.#room(window - waiting.size); room > 0 && !ended; room -= 1) {
        const message = this.#next();
        waiting.set(message.n, message);
        this.#unconfirmed += 1;
        send(message);
      }
      if (waiting.size === 0) lastConfirm = performance.now();
      if (performance.now() - lastConfirm > patience) break;
      await sleep(tick);
    }
    // A broker that is away need not hear of it.
    await publisher.close().catch(() => {});
  }

  #next(): Numbered {
    const { oracle, sent } = this.#options;
    const n = oracle.attempt();
    const isFatal = this.#fatal !== undefined && kindOf(n) === 'poison';
    const message = this.#options.message(n, isFatal);
    if (isFatal) {
      this.#fatal?.(message.sender);
      this.#fatal = undefined;
    }
    sent(n);
    return message;
  }

  /** How many messages may be sent now, of so many. */
  #room(most: number): number {
    const { rate, maxBacklog, backlog, oracle } = this.#options;
    const now = performance.now();
    this.#budget = Math.min(this.#budget + ((now - this.#filledAt) * rate) / 1000, rate / 10);
    this.#filledAt = now;
    if (this.#stopping || this.#paused || backlog() > maxBacklog) return 0;
    const room = Math.max(0, Math.min(most, Math.floor(this.#budget), this.#options.most - oracle.attempted));
    this.#budget -= room;
    return room;
  }
}
