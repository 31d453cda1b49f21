import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../clock.ts';
import { cpuTime } from '../cpu.ts';
import type { ReplicaFigures, ReplicaSamples, Window } from '../replica/replica.ts';
import type { DatabaseFigures } from '../services/database.ts';
import type { Services } from '../services/services.ts';
import type { Child } from './child.ts';

/** What a meter reads of. */
export interface Metered {
  readonly services: Services;
  readonly replicas: ReadonlyArray<Child>;
  readonly generators: ReadonlyArray<Child>;
}

export interface MeterReading extends Window {
  readonly replicas: ReadonlyArray<ReplicaFigures>;
  /** CPU microseconds in the window; undefined where the process is not ours. */
  readonly broker: number | undefined;
  readonly postgres: number | undefined;
  readonly generators: number;
  readonly database: { readonly [Name in keyof DatabaseFigures]: number };
  /** Connections to Postgres of all replicas. */
  readonly connections: number;
}

/** Milliseconds between two looks at commit times, and how many heartbeats each looks at, and the one after the cool-down. */
const look = { every: 250, count: 100, last: 2000 };

/** Reads all figures of a window. */
export class Meter {
  private readonly of: Metered;
  private from = 0;
  private cpu = { broker: 0, postgres: 0, generators: 0 };
  private database: DatabaseFigures = { wal: 0, updates: 0, hot: 0 };
  private readonly seen = new Map<number, number>();

  constructor(of: Metered) {
    this.of = of;
  }

  /** The window begins. */
  async reset(): Promise<void> {
    this.database = await this.of.services.database.figures();
    await Promise.all(this.of.replicas.map((one) => one.ask('reset')));
    this.cpu = this.readCpu();
    this.from = now();
  }

  /** Waits, and looks at commit times meanwhile. */
  async sampleUntil(to: number): Promise<void> {
    while (now() < to) {
      await sleep(Math.min(look.every, Math.max(0, to - now())));
      await this.look(look.count, to);
    }
  }

  /**
   * Sent and commit times of heartbeats that were sent in the window. Looks once more, since those that were committed late were not to be seen
   * before.
   */
  async commits(to: number): Promise<ReadonlyArray<readonly [sent: number, committed: number]>> {
    await this.look(look.last, to);
    return [...this.seen];
  }

  private async look(count: number, to: number): Promise<void> {
    for (const [sent, committed] of await this.of.services.database.commits(count))
      if (sent >= this.from && sent < to) this.seen.set(sent, committed);
  }

  /** The window ends. */
  async read(): Promise<MeterReading> {
    const to = now();
    const cpu = this.readCpu();
    const replicas = await Promise.all(this.of.replicas.map((one) => one.ask<ReplicaFigures>('read')));
    const { database } = this.of.services;
    const { wal, updates, hot } = await database.figures();
    const since = (pid: number | undefined, microseconds: number) =>
      pid === undefined ? undefined : microseconds;
    return {
      from: this.from,
      to,
      replicas,
      broker: since(this.of.services.pids.broker, cpu.broker - this.cpu.broker),
      postgres: since(this.of.services.pids.postgres, cpu.postgres - this.cpu.postgres),
      generators: cpu.generators - this.cpu.generators,
      database: {
        wal: wal - this.database.wal,
        updates: updates - this.database.updates,
        hot: hot - this.database.hot,
      },
      connections: await database.connections(),
    };
  }

  /** Samples of messages that were due in a window, and the batches that were settled in another. */
  samples(window: Window, due: Window): Promise<ReplicaSamples[]> {
    return Promise.all(this.of.replicas.map((one) => one.ask<ReplicaSamples>('samples', { window, due })));
  }

  private readCpu() {
    const { pids } = this.of.services;
    return {
      broker: pids.broker === undefined ? 0 : cpuTime(pids.broker),
      postgres: pids.postgres === undefined ? 0 : cpuTime(pids.postgres),
      generators: this.of.generators.reduce((sum, { pid }) => sum + cpuTime(pid), 0),
    };
  }
}
