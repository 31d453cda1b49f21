import { readFileSync } from 'node:fs';

/** Microseconds in a clock tick of /proc; Linux has 100 a second (proc(5), `sysconf(_SC_CLK_TCK)`). */
const tick = 10_000;

/** CPU time in microseconds that a process has used, with its children that have ended. NaN where there is no /proc. */
export function cpuTime(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces. After it: state is field 3; utime, stime, cutime, cstime are 14 to 17.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) * tick;
  } catch {
    return Number.NaN;
  }
}
