/** A megabyte of JSON objects. To parse it costs what this machine's speed makes it cost, whatever the speed. */
const yardstick = JSON.stringify(
  Array.from({ length: 40_000 }, (_, index) => ({ id: `i-${index}`, on: true })),
);

/** Milliseconds that parsing the yardstick takes on a machine of usual speed. This is a convention: it makes a factor a bound in milliseconds. */
const usual = 8;

/** Milliseconds of this process's CPU. */
function costOf(work: () => unknown): number {
  const begin = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

/** Tries, since other processes use the machine too. */
const tries = { least: 3, most: 7 };

/**
 * The least that each of the works costs in some tries: in as many as it takes to be enough, within the bounds above. The works take
 * turns, so that a slow moment of the machine meets all of them.
 */
function leastOf(
  works: ReadonlyArray<() => unknown>,
  isEnough: (least: readonly number[]) => boolean,
): number[] {
  const least = works.map(() => Number.POSITIVE_INFINITY);
  for (let count = 1; count <= tries.most; count += 1) {
    for (const [index, work] of works.entries())
      least[index] = Math.min(least[index] ?? Number.POSITIVE_INFINITY, costOf(work));
    if (count >= tries.least && isEnough(least)) break;
  }
  return least;
}

/** Some kernels count the CPU in ticks of 4 ms. So the yardstick is parsed several times, and takes many ticks. */
const parsings = 6;

const parseYardstick = () => {
  for (let count = 0; count < parsings; count += 1) JSON.parse(yardstick);
};

/** @param parsing milliseconds that `parseYardstick` takes. */
function slownessBy(parsing: number): number {
  return Math.max(1, parsing / parsings / usual);
}

/** How many times slower than usual this machine is at the moment; 1 at least. */
export function slowness(): number {
  const [parsing = 0] = leastOf([parseYardstick], () => false);
  return slownessBy(parsing);
}

let slownessOnce: number | undefined;

/**
 * The CPU that the work takes, in milliseconds of a machine of usual speed. A bound on it is a bound on the work, not on the machine.
 * The first try that costs less than the bound is enough: the least of more tries would be below it too. The machine's speed is measured
 * once a process, and again beside the work if the first try is above the bound by that speed.
 */
export function cpuOf(work: () => unknown, { bound }: { readonly bound: number }): number {
  const first = costOf(work);
  if (first < bound) return first;
  slownessOnce ??= slowness();
  if (first / slownessOnce < bound) return first / slownessOnce;
  const usualCost = ([cost = 0, parsing = 0]: readonly number[]) => cost / slownessBy(parsing);
  return usualCost(leastOf([work, parseYardstick], (least) => usualCost(least) < bound));
}
