import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandLine } from '../../src/commands/command-line.ts';
import { runCommand } from '../../src/commands/run.ts';
import { environmentWithoutOurs, runConductor } from '../support/conductor.ts';
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

/** Runs a command to its end, as a process, as an operator does. */
export async function run(
  t: Test,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = runConductor(t, args, variables);
  const { code } = await child.exited;
  return { code, stdout: child.stdout(), errors: child.stderr().split('\n').slice(0, -1) };
}

/** A signal that comes while a test runs is for ava, not for the command. */
class Undisturbed extends CommandLine {
  override interruption(): AbortSignal {
    return new AbortController().signal;
  }
}

/**
 * Runs a command to its end within this process: what a command prints and ends with is the same, and the modules are loaded once
 * a file. Each command has a test that runs it as a process too.
 */
export async function runHere(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const written: string[] = [];
  const complained: string[] = [];
  const line = new Undisturbed({
    variables: { ...environmentWithoutOurs(), ...variables },
    write: (text) => void written.push(text),
    complain: (text) => void complained.push(text),
  });
  const code = await runCommand(line, args, '0');
  return { code, stdout: written.join(''), errors: complained.join('').split('\n').slice(0, -1) };
}

/** Writes a configuration; returns its path. */
export function configuration(...lines: string[]): string {
  const file = join(temporaryDirectory('command-line'), 'conductor.yaml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
