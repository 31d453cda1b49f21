import { setTimeout as sleep } from 'node:timers/promises';
import type { RunFigures } from '../../src/core/sizing/figures.ts';
import { nodeOptions } from '../../test/support/node-options.ts';
import type { BenchTransport } from '../brokers/index.ts';
import { now } from '../clock.ts';
import type { Mix } from '../load/bodies.ts';
import type { BodyForm } from '../load/body-forms.ts';
import type { GeneratorTask, Volley, VolleyResult } from '../load/generator.ts';
import type { ReplicaCounts, ReplicaTask } from '../replica/replica.ts';
import { authOf, grantsOf } from '../services/auth.ts';
import { openServices, type Services } from '../services/services.ts';
import { type Child, startChild } from './child.ts';
import { figuresOf } from './figures.ts';
import { Meter } from './meter.ts';

/** The parameters of a run. All of them stand in the report. */
export interface RigOptions {
  readonly transport: BenchTransport;
  readonly codec: BodyForm;
  readonly auth: string;
  readonly instances: number;
  readonly body: number;
  readonly mix: Mix;
  readonly replicas: number;
  readonly generators: number;
  readonly isInline: boolean;
  /** Further settings of the conductor's configuration. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** URLs of the deployer's own services; undefined: private ones. */
  readonly broker: string | undefined;
  readonly database: string | undefined;
  /** Messages a second at most, for the choice of how many are timed. */
  readonly rateHint: number;
}

export interface MeasureOptions {
  readonly scenario: string;
  /** Messages a second; null: one of each instance, all at once. */
  readonly rate: number | null;
  /** Seconds. */
  readonly warmUp: number;
  readonly seconds: number;
  /** Seconds that messages may take after the last one was sent. */
  readonly coolDown: number;
}

export interface Progress {
  /** @param part 0 to 1. */
  show(what: string, part: number): void;
}

/** Messages a second that are timed. */
const timed = 2000;

/** Messages before the first run at most, by which the just-in-time compiler has seen everything. */
const warmUp = 20_000;

/** Milliseconds from the command to the generators until the first message is due. */
const lead = 300;

/** The start of `conductor`, and the probe in each thread. */
const replicaArguments = [...nodeOptions, '--import', new URL('../replica/probe.ts', import.meta.url).href];

/** Services, replicas and generators that are ready for runs. */
export class Rig {
  readonly options: RigOptions;
  readonly services: Services;
  readonly replicas: Child[] = [];
  readonly generators: Child[] = [];
  private readonly progress: Progress;
  /** Counts of replicas that have ended. */
  private ended: ReplicaCounts[] = [];
  /** Messages of all runs so far that the broker has. */
  private sent = 0;
  /** Volleys that are under way. */
  private sending = 0;

  private constructor(options: RigOptions, services: Services, progress: Progress) {
    this.options = options;
    this.services = services;
    this.progress = progress;
  }

  static async open(options: RigOptions, progress: Progress): Promise<Rig> {
    progress.show('starting the services', 0);
    const rig = new Rig(options, await openServices({ ...options, auth: authOf(options.auth) }), progress);
    try {
      progress.show('making the fleet', 0);
      await rig.services.database.fill(options.instances);
      if (options.auth === 'hmac') await rig.services.database.addKeys();
      progress.show('starting replicas and generators', 0);
      await rig.startReplicas();
      await rig.startGenerators();
      progress.show('warming up', 0);
      const messages = Math.min(warmUp, 10 * options.rateHint);
      await rig.send({ at: now(), rate: null, messages });
      await rig.settleAll(60);
      return rig;
    } catch (error) {
      await rig.close();
      throw error;
    }
  }

  async startReplicas(): Promise<void> {
    const { options, services } = this;
    const sampleEvery = Math.max(1, Math.round(options.rateHint / options.replicas / timed));
    for (let number = 1; number <= options.replicas; number += 1) {
      const replica = `bench-${number}`;
      const task: ReplicaTask = {
        config: {
          replica,
          database: { url: services.database.url },
          jobs: { schema: services.database.jobsSchema },
          transports: { bench: services.place.entry(replica) },
          ...grantsOf(options.auth, services.place.destination),
          ...options.settings,
        },
        sampleEvery,
        isInline: options.isInline,
      };
      this.replicas.push(await startChild('../replica/replica.ts', task, replicaArguments));
    }
  }

  async stopReplicas(): Promise<void> {
    this.ended = await this.counts();
    for (const replica of this.replicas.splice(0)) await replica.stop();
  }

  private async startGenerators(): Promise<void> {
    const { options, services } = this;
    for (let number = 1; number <= options.generators; number += 1) {
      const task: GeneratorTask = {
        transport: options.transport,
        form: options.codec,
        instances: options.instances,
        first: Math.floor(((number - 1) * options.instances) / options.generators),
        body: options.body,
        mix: options.mix,
        proof: options.auth === 'trove' || options.auth === 'hmac' ? options.auth : undefined,
        destination: services.place.destination,
        entry: services.place.entry(`caller-${number}`),
      };
      this.generators.push(await startChild('../load/generator.ts', task));
    }
  }

  /** The counts of all replicas, those that have ended included. */
  async counts(): Promise<ReplicaCounts[]> {
    const present = await Promise.all(this.replicas.map((one) => one.ask<ReplicaCounts>('counts')));
    return [...this.ended, ...present];
  }

  /** Has the generators send. Resolves with their results once the broker has all messages. */
  async send(volley: Volley): Promise<VolleyResult[]> {
    const share = this.generators.length;
    const { at, rate, messages } = volley;
    const part: Volley = {
      at,
      rate: rate === null ? null : rate / share,
      messages: Math.round(messages / share),
    };
    this.sending += 1;
    try {
      const results = await Promise.all(this.generators.map((one) => one.ask<VolleyResult>('run', part)));
      for (const { confirmed, calls } of results) this.sent += confirmed + calls.length;
      return results;
    } finally {
      this.sending -= 1;
    }
  }

  /** One run: warm-up, reset, measured window, cool-down. */
  async measure(options: MeasureOptions): Promise<RunFigures> {
    const { rate, warmUp, seconds } = options;
    const at = now() + lead;
    const from = rate === null ? at : at + warmUp * 1000;
    const messages = rate === null ? this.options.instances : Math.round(rate * (warmUp + seconds));
    const load = this.send({ at, rate, messages });
    return this.measureWhile(load, options, from);
  }

  /**
   * Measures while a load is under way: a window from a time on, then a cool-down.
   *
   * @param from milliseconds since the epoch; now unless told.
   */
  async measureWhile(
    load: Promise<VolleyResult[]>,
    options: MeasureOptions,
    from = now(),
  ): Promise<RunFigures> {
    const { scenario, rate, seconds, coolDown } = options;
    // It is awaited after the window.
    load.catch(() => {});
    const before = await this.counts();
    const to = from + seconds * 1000;
    const what = `${this.options.transport}, ${scenario}${rate === null ? '' : `, ${Math.round(rate)}/s`}`;
    const ticker = setInterval(() => {
      const part = (now() - from) / (to - from);
      this.progress.show(part < 0 ? `${what}, warm-up` : what, Math.min(1, Math.max(0, part)));
    }, 200);
    try {
      const meter = new Meter(this);
      await sleep(Math.max(0, from - now()));
      await meter.reset();
      if (rate === null) await this.settleAll(seconds);
      else await meter.sampleUntil(to);
      const metered = await meter.read();
      const volleys = await load;
      this.progress.show(`${what}, cool-down`, 1);
      await this.settleAll(coolDown);
      const window = { from: metered.from, to: metered.to };
      const due = rate === null ? { from: 0, to: Number.POSITIVE_INFINITY } : window;
      const samples = await meter.samples(window, due);
      const commits = await meter.commits(metered.to);
      const after = await this.counts();
      return figuresOf({ rig: this.options, options, metered, commits, samples, volleys, before, after });
    } finally {
      clearInterval(ticker);
    }
  }

  /** Waits until all messages that were sent are settled, or so many seconds have passed. */
  async settleAll(seconds: number): Promise<void> {
    const last = now() + seconds * 1000;
    while (now() < last) {
      const settled = (await this.counts()).reduce((sum, one) => sum + one.settled, 0);
      if (this.sending === 0 && settled >= this.sent) return;
      await sleep(50);
    }
  }

  /** Milliseconds since the epoch from which on messages were settled within a second. */
  async caughtUpAt(): Promise<number> {
    const times = await Promise.all(this.replicas.map((one) => one.ask<number>('caughtUpAt')));
    return Math.max(...times);
  }

  async close(): Promise<void> {
    for (const child of [...this.generators.splice(0), ...this.replicas.splice(0)]) await child.stop();
    await this.services.remove();
  }
}
