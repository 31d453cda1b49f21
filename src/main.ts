#!/usr/bin/env -S node --max-semi-space-size=4 --v8-pool-size=1
import { readFile } from 'node:fs/promises';
import { CommanderError } from 'commander';
import { CommandLine } from './commands/command-line.ts';
import { withNextStep } from './commands/next-step.ts';
import { createProgram, namedBy } from './commands/program.ts';
import { ConfigError, messageOf, NotConnected } from './core/errors.ts';

/** Exit codes: 0 done, 1 failed, 2 usage or configuration. */
const exit = { done: 0, failed: 1, usage: 2 } as const;

const line = new CommandLine();

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { version }: { version: string } = JSON.parse(text);
  return version;
}

/** An error in one line, with what to do next and its code, for docs/errors.md. The general codes say no more than the text does. */
function errorLine(error: unknown): string {
  const text = line
    .mask(messageOf(error))
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ');
  const code = error instanceof ConfigError || error instanceof NotConnected ? error.code : undefined;
  const isGeneral = code === undefined || code === 'configuration' || code === 'not-connected';
  return `conductor: ${withNextStep(text, code)}${isGeneral ? '' : ` [${code}]`}`;
}

/** An error of commander in one line that says where the right arguments stand. */
function usageLine({ message }: CommanderError): string {
  // Without a command commander would print the whole help, with this as its message.
  const text = message === '(outputHelp)' ? 'error: a command is expected' : message.trim();
  return `${text.replaceAll(/\s*\n\s*/g, ' ')}; try ${namedBy(program, process.argv.slice(2))} --help`;
}

/** Ends the process once all output is written: a pipe takes 64 KiB at once, and the end of the process would drop the rest. */
async function leave(code: number): Promise<void> {
  await new Promise<void>((resolve) => {
    process.stdout.write('', () => resolve());
  });
  process.exit(code);
}

const program = createProgram(line, await version());
try {
  await program.parseAsync();
  await leave(exit.done);
} catch (error) {
  if (error instanceof CommanderError) {
    if (error.exitCode !== 0) process.stderr.write(`${usageLine(error)}\n`);
    await leave(error.exitCode === 0 ? exit.done : exit.usage);
  }
  process.stderr.write(`${errorLine(error)}\n`);
  await leave(error instanceof ConfigError ? exit.usage : exit.failed);
}
