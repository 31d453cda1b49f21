/** Samples what must not grow: the replica's memory and event loop, its files, its connections and the tables. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isObject } from '../../../../src/core/json.ts';
import type { TestDatabase } from '../../../support/database.ts';
import type { Tolerance } from './trend.ts';

/** A figure, by time. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly tolerance: Tolerance;
  /** A saw tooth, of which the lowest values count. */
  readonly isSawtooth?: boolean;
  readonly values: number[];
}

export interface Sampled {
  readonly database: TestDatabase;
  /** Of the replica. */
  readonly pid: number;
  /** That the probe in the replica writes. */
  readonly probeFile: string;
  readonly backlog: () => number;
  /** Messages a second. */
  readonly rate: number;
}

/** Milliseconds between two samples. */
export const sampleEvery = 5000;
const mebi = 1024 * 1024;
const memory: Tolerance = { share: 0.1, least: 16 };
const heap: Tolerance = { share: 0.15, least: 8 };

export class Sampling {
  readonly #sampled: Sampled;
  readonly #series = new Map<string, Series>();
  #read = 0;
  #stopped = false;

  constructor(sampled: Sampled) {
    this.#sampled = sampled;
  }

  get series(): ReadonlyArray<Series> {
    return [...this.#series.values()];
  }

  /** Samples for so many milliseconds. */
  async run(milliseconds: number): Promise<void> {
    // Lines of before do not count.
    this.#read = readFileSync(this.#sampled.probeFile, 'utf8').length;
    const end = performance.now() + milliseconds;
    while (!this.#stopped && performance.now() < end) {
      await sleep(sampleEvery);
      this.#threads();
      this.#add('open files', '', { share: 0.1, least: 3 }, openFiles(this.#sampled.pid));
      this.#add('backlog', 'messages', { share: 0.5, least: this.#sampled.rate }, this.#sampled.backlog());
      await this.#tables();
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** What the threads have written since the last time. */
  #threads(): void {
    const text = readFileSync(this.#sampled.probeFile, 'utf8').slice(this.#read);
    const end = text.lastIndexOf('\n') + 1;
    this.#read += end;
    const newest = new Map<number, Record<string, unknown>>();
    for (const line of text.slice(0, end).split('\n').filter(Boolean)) {
      const value: unknown = JSON.parse(line);
      if (isObject(value)) newest.set(Number(value.threadId), value);
    }
    const [main] = [...newest.keys()].sort((a, b) => a - b);
    for (const [thread, line] of newest) {
      const name = thread === main ? 'main thread' : `thread ${thread}`;
      const of = (key: string) => Number(line[key]);
      if (thread === main) this.#add('memory (RSS)', 'MiB', memory, of('rss') / mebi);
      this.#add(`${name}: heap`, 'MiB', heap, of('heapUsed') / mebi, true);
      this.#add(`${name}: outside the heap`, 'MiB', heap, of('external') / mebi, true);
      this.#add(`${name}: event-loop delay, p99`, 'ms', { share: 0.5, least: 10 }, of('p99'));
    }
  }

  async #tables(): Promise<void> {
    const { database } = this.#sampled;
    const tables = await database.query<{ name: string; bytes: string; dead: string }>(
      `SELECT CASE schemaname WHEN 'public' THEN relname ELSE schemaname END AS name,
         sum(pg_total_relation_size(relid)) AS bytes, sum(n_dead_tup) AS dead
       FROM pg_stat_user_tables WHERE relname NOT LIKE 'harness%' GROUP BY 1 ORDER BY 1`,
    );
    for (const { name, bytes, dead } of tables) {
      this.#add(`table ${name}`, 'MiB', { share: 0.2, least: 2 }, Number(bytes) / mebi);
      this.#add(`dead rows of ${name}`, '', { share: 0.5, least: 10_000 }, Number(dead), true);
    }
    const [row] = await database.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name LIKE 'conductor%'",
    );
    this.#add('connections to Postgres', '', { share: 0, least: 1 }, row?.count ?? 0);
  }

  #add(name: string, unit: string, tolerance: Tolerance, value: number, isSawtooth = false): void {
    const series = this.#series.get(name) ?? { name, unit, tolerance, isSawtooth, values: [] };
    this.#series.set(name, series);
    series.values.push(value);
  }
}

/** 0 where the system does not tell. */
function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}
