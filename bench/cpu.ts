import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds in a clock tick of /proc; Linux has 100 a second (proc(5), `sysconf(_SC_CLK_TCK)`). */
const tick = 10_000;

/**
 * CPU time in microseconds that a server has used: its process, its children that run, theirs, and those that have ended. Postgres has a
 * child for each connection. NaN where there is no /proc.
 */
export function cpuTime(pid: number): number {
  const running = childrenOf(pid).reduce((sum, child) => sum + (cpuTime(child) || 0), 0);
  return ownCpuTime(pid) + running;
}

function ownCpuTime(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces. After it: state is field 3; utime, stime, cutime, cstime are 14 to 17.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) * tick;
  } catch {
    return Number.NaN;
  }
}

/** Any thread of a process may have started a child. A process that has ended has none. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
        .split(' ')
        .filter((text) => text !== '')
        .map(Number),
    );
  } catch {
    return [];
  }
}
