import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runConductor } from '../support/conductor.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** What a command has left to be seen. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  /** The lines on standard error. */
  readonly errors: string[];
}

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/** Runs a command to its end. */
export async function run(
  t: Test,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = runConductor(t, args, variables);
  const { code } = await child.exited;
  return { code, stdout: child.stdout(), errors: child.stderr().split('\n').slice(0, -1) };
}

/** Writes a configuration; returns its path. */
export function configuration(...lines: string[]): string {
  const file = join(temporaryDirectory('command-line'), 'conductor.yaml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
