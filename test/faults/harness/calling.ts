/** Calls a method that changes something, while the round runs, and each call again until it is answered, as a service does. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../../src/core/errors.ts';
import { type Client, type ConnectOptions, connect, RemoteError } from '../../../src/public/client.ts';
import type { TestDatabase } from '../../support/database.ts';

/** The name that `services` grants it to; the broker of a round lets it in by any name. */
export const service = 'harness-service';

/** The parts of a replica's configuration that let it call. */
export const grants = {
  models: { note: { table: 'harness_notes' } },
  services: Object.fromEntries(
    [service, 'anonymous'].map((name) => [
      name,
      { methods: ['model_create'], models: { note: { read: '*', write: '*' } } },
    ]),
  ),
};

export interface CallTally {
  readonly answered: number;
  /** Made again, since no answer came or the answer told the caller to. */
  readonly repeated: number;
}

const callers = 3;
/** Milliseconds. A call waits behind the casts that the broker has queued. */
const timeout = 15_000;
const pause = 50;
/** Milliseconds after the end of the faults in which each call has to be answered. */
const patience = 120_000;
/** Errors after which a call may be repeated, as docs/protocol.md says. */
const repeatable = new Set(['Timeout', 'Busy']);

export class Calling {
  readonly #client: Client | undefined;
  readonly #problem: (text: string) => void;
  readonly #answered = new Set<number>();
  #count = 0;
  #repeated = 0;
  #stopped: number | undefined;
  readonly #done: Promise<unknown>;

  private constructor(client: Client | undefined, problem: (text: string) => void) {
    this.#client = client;
    this.#problem = problem;
    const clients = client === undefined ? [] : Array.from({ length: callers }, () => client);
    this.#done = Promise.all(clients.map((one) => this.#call(one)));
  }

  /** @param transport undefined: nobody calls. */
  static async start(
    transport: ConnectOptions['transport'] | undefined,
    problem: (text: string) => void,
  ): Promise<Calling> {
    if (transport === undefined) return new Calling(undefined, problem);
    const client = await connect({ transport, sender: service, reconnect: { base: 50, max: 500 } });
    return new Calling(client, problem);
  }

  /** Resolves once each call is answered. */
  async stop(): Promise<CallTally> {
    this.#stopped = performance.now();
    await this.#done;
    await this.close();
    return { answered: this.#answered.size, repeated: this.#repeated };
  }

  /** Does nothing the second time. */
  async close(): Promise<void> {
    await this.#client?.close();
  }

  /** The calls that did not act once, in words. */
  async verify(database: TestDatabase): Promise<string[]> {
    const rows = await database.query<{ number: number; count: number }>(
      'SELECT number, count(*)::int AS count FROM harness_notes GROUP BY number',
    );
    const counts = new Map(rows.map(({ number, count }) => [number, count]));
    const missing = [...this.#answered].filter((number) => !counts.has(number));
    return [
      ...missing.map((number) => `call ${number} was answered and did nothing`),
      ...rows
        .filter(({ count }) => count > 1)
        .map(({ number, count }) => `call ${number} acted ${count} times`),
    ].slice(0, 20);
  }

  async #call(client: Client): Promise<void> {
    while (this.#stopped === undefined) {
      const number = this.#count;
      this.#count += 1;
      while (!(await this.#isAnswered(client, number))) {
        this.#repeated += 1;
        if (this.#stopped !== undefined && performance.now() - this.#stopped > patience) {
          this.#problem(`call ${number} is not answered`);
          return;
        }
        await sleep(pause);
      }
      await sleep(pause);
    }
  }

  async #isAnswered(client: Client, number: number): Promise<boolean> {
    try {
      const args = { model: 'note', values: { number } };
      await client.call('model_create', args, { messageId: `note-${number}`, timeout });
      this.#answered.add(number);
      return true;
    } catch (error) {
      const mayRepeat = error instanceof RemoteError ? repeatable.has(error.class) : true;
      if (!mayRepeat) this.#problem(`call ${number}: ${messageOf(error)}`);
      // A call that is refused for good need not be made again.
      return !mayRepeat;
    }
  }
}
