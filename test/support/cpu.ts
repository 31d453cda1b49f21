/** A megabyte of JSON objects. To parse it costs what this machine's speed makes it cost, whatever the speed. */
const yardstick = JSON.stringify(
  Array.from({ length: 40_000 }, (_, index) => ({ id: `i-${index}`, on: true })),
);

/** Milliseconds that parsing the yardstick takes on a machine on which the bounds in milliseconds were set. */
const usual = 8;

/** Milliseconds of this process's CPU, the least of five tries, since other processes use the machine too. */
function leastOf(work: () => unknown): number {
  const tries = Array.from({ length: 5 }, () => {
    const begin = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(begin);
    return (user + system) / 1000;
  });
  return Math.min(...tries);
}

/** How many times slower this machine is at the moment than the one on which the bounds were set; 1 at least. */
export function slowness(): number {
  return Math.max(1, leastOf(() => JSON.parse(yardstick)) / usual);
}

/** The CPU that the work takes, in milliseconds of a machine of usual speed. A bound on it is a bound on the work, not on the machine. */
export function cpuOf(work: () => unknown): number {
  return leastOf(work) / slowness();
}
