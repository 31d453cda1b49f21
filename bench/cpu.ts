import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds in a clock tick of /proc; Linux has 100 a second (proc(5), `sysconf(_SC_CLK_TCK)`). */
const tick = 10_000;

/** Readings of a process whose children keep ending. */
const attempts = 10;

/**
 * CPU time in microseconds that a server has used: its process, its children that run, theirs, and those that have ended. Postgres has a
 * child for each connection. NaN where there is no /proc.
 */
export function cpuTime(pid: number): number {
  for (let attempt = 1; ; attempt += 1) {
    const before = ownTicks(pid);
    const running = childrenOf(pid).reduce((sum, child) => sum + (cpuTime(child) || 0), 0);
    const after = ownTicks(pid);
    // A child that ends meanwhile would count twice, or not at all.
    if (before.ended === after.ended || Number.isNaN(after.own) || attempt === attempts)
      return (after.own + after.ended) * tick + running;
  }
}

/** Ticks of the process, and those of its children that have ended. */
function ownTicks(pid: number): { own: number; ended: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces. After it: state is field 3; utime, stime, cutime, cstime are 14 to 17.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15).map(Number);
    return { own: user + system, ended: endedUser + endedSystem };
  } catch {
    return { own: Number.NaN, ended: Number.NaN };
  }
}

/** Any thread of a process may have started a child. A process that has ended has none. */
function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((thread) => {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8');
      return text
        .split(' ')
        .filter((word) => word !== '')
        .map(Number);
    } catch {
      return [];
    }
  });
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}
