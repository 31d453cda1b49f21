/** Looks into the database, while the round runs, for the messages that have arrived there. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDatabase } from '../../support/database.ts';
import { checkpointEvery, instanceOf, isCheckpoint, kindOf, storedKey } from './messages.ts';

/** The longest time without a new commit that began in this part of the round, in milliseconds. */
export interface Gap {
  longest: number;
}

/** Milliseconds. */
const interval = 40;
/** Milliseconds after a `late` message until its instance is made known. */
const lateness = 1500;
/** Instances asked for at once. */
const portion = 400;

export class Progress {
  readonly #database: TestDatabase;
  /** Checkpoints that are not in the database yet, by instance, oldest first. */
  readonly #pending = new Set<string>();
  readonly #late: { readonly instance: string; readonly due: number }[] = [];
  #gap: Gap = { longest: 0 };
  /** Of the window in which the present gap began. */
  #owner: Gap = this.#gap;
  #last = performance.now();
  #stopped = false;
  readonly #done: Promise<unknown>;

  constructor(database: TestDatabase) {
    this.#database = database;
    this.#done = Promise.all([this.#watch(), this.#introduce()]);
  }

  /** Messages, about, that are published and not in the database. */
  get backlog(): number {
    return this.#pending.size * checkpointEvery;
  }

  sent(n: number): void {
    if (isCheckpoint(n)) this.#pending.add(instanceOf(n));
    else if (kindOf(n) === 'late')
      this.#late.push({ instance: instanceOf(n), due: performance.now() + lateness });
  }

  /** A new part of the round begins, with a strike. Its longest gap is in the object, also later. */
  mark(): Gap {
    this.#gap = { longest: 0 };
    // A gap that begins with the strike has its beginning in the last look before it.
    if (performance.now() - this.#last < 5 * interval) this.#owner = this.#gap;
    return this.#gap;
  }

  /** No message is sent any more: gaps end here, and all late instances are made known. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      await this.#look().catch(() => {});
      // While nothing is to be committed, there is no gap.
      if (this.#pending.size === 0) this.#last = performance.now();
      this.#owner.longest = Math.max(this.#owner.longest, performance.now() - this.#last);
      await sleep(interval);
    }
  }

  async #look(): Promise<void> {
    const all = [...this.#pending];
    const some = all.length <= 2 * portion ? all : [...all.slice(0, portion), ...all.slice(-portion)];
    if (some.length === 0) return;
    const rows = await this.#database.query<{ instance: string }>(
      'SELECT instance_id AS instance FROM service_statuses WHERE instance_id = ANY($1)',
      [some],
    );
    if (rows.length === 0) return;
    this.#owner.longest = Math.max(this.#owner.longest, performance.now() - this.#last);
    for (const { instance } of rows) this.#pending.delete(instance);
    this.#last = performance.now();
    this.#owner = this.#gap;
  }

  async #introduce(): Promise<void> {
    while (!this.#stopped || this.#late.length > 0) {
      const now = performance.now();
      const due = this.#late.filter((one) => one.due <= now || this.#stopped);
      const made = due.length === 0 ? [] : await this.#register(due.map(({ instance }) => instance));
      if (made.length > 0) this.#late.splice(0, made.length);
      await sleep(interval);
    }
  }

  /** Returns none if the database is away. */
  async #register(instances: string[]): Promise<string[]> {
    try {
      await registerInstances(this.#database, instances);
      return instances;
    } catch {
      return [];
    }
  }
}

export async function registerInstances(database: TestDatabase, ids: ReadonlyArray<string>): Promise<void> {
  await database.query(
    `INSERT INTO instances (id, name, created, deleted, encrypted_key)
     SELECT id, id, now() AT TIME ZONE 'utc', false, $2 FROM unnest($1::text[]) AS id ON CONFLICT DO NOTHING`,
    [ids, storedKey],
  );
}
