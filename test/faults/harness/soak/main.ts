import { join } from 'node:path';
import { messageOf } from '../../../../src/core/errors.ts';
import type { RunOptions } from '../options.ts';
import { growing, soakTable } from './report.ts';
import { runSoak } from './soak.ts';

/** A soak on each transport, with its figures. Resolves with what was wrong, in words. */
export async function runSoaks({ minutes, transports, rate }: RunOptions, folder: string): Promise<string[]> {
  const failures: string[] = [];
  for (const transport of transports) {
    const begin = performance.now();
    const print = (line: string) =>
      console.log(
        `soak ${transport} ${((performance.now() - begin) / 1000).toFixed(0).padStart(5)} s ${line}`,
      );
    try {
      const options = { transport, seconds: minutes * 60, rate, folder: join(folder, `soak-${transport}`) };
      const { series, messages, problems } = await runSoak({ ...options, print });
      for (const line of soakTable(series)) console.log(line);
      print(`${messages} messages`);
      failures.push(...[...problems, ...growing(series)].map((text) => `soak ${transport}: ${text}`));
    } catch (error) {
      failures.push(`soak ${transport}: ${messageOf(error)}`);
    }
  }
  return failures;
}
