import { setTimeout as sleep } from 'node:timers/promises';
import type { RunFigures } from '../../src/core/sizing/figures.ts';
import { now } from '../clock.ts';
import type { Mix } from '../load/bodies.ts';
import { interrupted } from '../run/child.ts';
import { type Progress, Rig, type RigOptions } from '../run/rig.ts';
import { type KneeOptions, nextRate } from './knee.ts';

/** What a scenario needs beside the set-up. Times in seconds. */
export interface ScenarioOptions extends KneeOptions {
  /** Messages a second. */
  readonly rate: number;
  readonly warmUp: number;
  readonly seconds: number;
  readonly coolDown: number;
  readonly outage: number;
}

export type Setup = Omit<RigOptions, 'mix' | 'rateHint'>;
export type Scenario = keyof typeof scenarios;

/** A set-up but for its transport: heartbeats in native form, one replica, private services. */
export const usualSetup = {
  codec: 'native',
  auth: 'none',
  instances: 10_000,
  body: 1,
  replicas: 1,
  generators: 1,
  isInline: false,
  settings: {},
  broker: undefined,
  database: undefined,
} as const satisfies Omit<Setup, 'transport'>;

const heartbeats: Mix = { heartbeat: 1, backup: 0, call: 0 };
const mixed: Mix = { heartbeat: 0.95, backup: 0.04, call: 0.01 };

async function onRig(
  options: RigOptions,
  progress: Progress,
  work: (rig: Rig) => Promise<RunFigures[]>,
): Promise<RunFigures[]> {
  const rig = await Rig.open(options, progress);
  try {
    return await Promise.race([work(rig), interrupted]);
  } finally {
    await rig.close();
  }
}

type Run = (setup: Setup, options: ScenarioOptions, progress: Progress) => Promise<RunFigures[]>;

/** Each measures one set-up. */
export const scenarios = {
  /** One rate. */
  steady: (setup, options, progress) =>
    onRig({ ...setup, mix: heartbeats, rateHint: options.rate }, progress, async (rig) => [
      await rig.measure({ ...options, scenario: 'steady' }),
    ]),
  /** Heartbeats, backups and calls. */
  mixed: (setup, options, progress) =>
    onRig({ ...setup, mix: mixed, rateHint: options.rate }, progress, async (rig) => [
      await rig.measure({ ...options, scenario: 'mixed' }),
    ]),
  /** Greater and greater rates. */
  knee: (setup, options, progress) =>
    onRig({ ...setup, mix: heartbeats, rateHint: 10 * options.first }, progress, async (rig) => {
      const runs: RunFigures[] = [];
      for (;;) {
        const rate = nextRate(runs, options);
        if (rate === undefined) return runs;
        runs.push(await rig.measure({ ...options, scenario: 'knee', rate }));
      }
    }),
  /** All guests at once. */
  start: (setup, options, progress) =>
    onRig({ ...setup, mix: heartbeats, rateHint: setup.instances }, progress, async (rig) => [
      await rig.measure({ ...options, scenario: 'start', rate: null, seconds: 120 }),
    ]),
  /** Without replicas for a while, the guests going on. */
  recovery: (setup, options, progress) =>
    onRig({ ...setup, mix: heartbeats, rateHint: 5 * options.rate }, progress, async (rig) => [
      await recover(rig, options, progress),
    ]),
} satisfies Record<string, Run>;

/** Messages a second go on while no replica runs, and afterwards. The window begins when the replicas are back. */
async function recover(rig: Rig, options: ScenarioOptions, progress: Progress): Promise<RunFigures> {
  const { rate, outage, seconds } = options;
  progress.show(`recovery: an outage of ${outage} s`, 0);
  await rig.stopReplicas();
  // They go on until the end of the window, so the last ones are sent after the backlog has gone.
  const load = rig.send({ at: now(), rate, messages: Math.round(rate * (outage + seconds)) });
  load.catch(() => {});
  await sleep(outage * 1000);
  await rig.startReplicas();
  const began = now();
  const run = await rig.measureWhile(load, { ...options, scenario: 'recovery' });
  const caughtUp = await rig.caughtUpAt();
  return {
    ...run,
    recovery: { outage, backlog: Math.round(rate * outage), seconds: Math.max(0, (caughtUp - began) / 1000) },
  };
}
