#!/usr/bin/env -S node --max-semi-space-size=4 --v8-pool-size=1
import { readFile } from 'node:fs/promises';
import { CommandLine } from './commands/command-line.ts';
import { runCommand } from './commands/run.ts';

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { version }: { version: string } = JSON.parse(text);
  return version;
}

/** Ends the process once all output is written: a pipe takes 64 KiB at once, and the end of the process would drop the rest. */
async function leave(code: number): Promise<void> {
  await new Promise<void>((resolve) => {
    process.stdout.write('', () => resolve());
  });
  process.exit(code);
}

await leave(await runCommand(new CommandLine(), process.argv.slice(2), await version()));
