/** The plan of a round, from its seed alone. */
import { randomOf } from './random.ts';

export interface FaultTimes {
  readonly name: string;
  /** Milliseconds that the fault lasts, the least and the most. */
  readonly lasts: readonly [number, number];
  /** Each turn begins with these, so that a short round has them. */
  readonly comesFirst?: boolean;
}

export interface Step {
  readonly fault: string;
  /** Milliseconds. */
  readonly lasts: number;
  /** Milliseconds after the repair until the next step. */
  readonly calm: number;
  /** The seed of the choices inside the step: which replica, which rows. */
  readonly seed: string;
}

export interface Plan {
  readonly replicas: number;
  /** Without end: the round takes as many as it has time for. */
  readonly steps: Iterable<Step>;
}

const most = 4;
/** Milliseconds. */
const calm = [300, 1500] as const;

/** Each fault comes once in a random order, those that come first before the others, then each once more in another order, and so on. */
export function planOf(seed: string, faults: ReadonlyArray<FaultTimes>): Plan {
  const random = randomOf(seed);
  return { replicas: random.between(1, most), steps: stepsOf(seed, faults) };
}

/** Whether the guests of a round encrypt, where they can: each second seed, on average. */
export const isSealed = (seed: string): boolean => randomOf(`${seed} form`).next() < 0.5;

/** Whether the servers of a round are clusters: each second seed, on average. */
export const isClustered = (seed: string): boolean => randomOf(`${seed} servers`).next() < 0.5;

function* stepsOf(seed: string, faults: ReadonlyArray<FaultTimes>): Iterable<Step> {
  const random = randomOf(`${seed} steps`);
  for (let turn = 0; faults.length > 0; turn += 1)
    for (const { name, lasts } of random
      .shuffle(faults)
      .sort((a, b) => Number(b.comesFirst ?? false) - Number(a.comesFirst ?? false)))
      yield {
        fault: name,
        lasts: random.between(...lasts),
        calm: random.between(...calm),
        seed: `${seed} ${turn} ${name}`,
      };
}
