#!/usr/bin/env -S node --max-semi-space-size=4 --v8-pool-size=1
import { readFile } from 'node:fs/promises';
import { Command, CommanderError } from 'commander';
import { addCall } from './commands/call.ts';
import { addCast } from './commands/cast.ts';
import { addCheckConfig } from './commands/check-config.ts';
import { CommandLine } from './commands/command-line.ts';
import { addDead } from './commands/dead.ts';
import { addDeferred } from './commands/deferred.ts';
import { addDemo } from './commands/demo.ts';
import { addExplain } from './commands/explain.ts';
import { addMigrate } from './commands/migrate.ts';
import { addSimulate } from './commands/simulate.ts';
import { addSize } from './commands/size.ts';
import { addStart } from './commands/start.ts';
import { ConfigError, messageOf } from './core/errors.ts';

/** Exit codes: 0 done, 1 failed, 2 usage or configuration. */
const exit = { done: 0, failed: 1, usage: 2 } as const;

const line = new CommandLine();

/** In the order of the help. */
const commands = [
  addStart,
  addMigrate,
  addDemo,
  addCheckConfig,
  addCast,
  addCall,
  addSimulate,
  addDeferred,
  addDead,
  addExplain,
  addSize,
];

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { version }: { version: string } = JSON.parse(text);
  return version;
}

async function main(): Promise<void> {
  const program = new Command('conductor')
    .description('Takes the messages of guests from a broker and writes them to Postgres.')
    .version(await version())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  for (const add of commands) add(program, line);
  await program.parseAsync();
}

try {
  await main();
  process.exit(exit.done);
} catch (error) {
  if (error instanceof CommanderError) {
    // Without a command commander would print the whole help, with this as its message.
    const message =
      error.message === '(outputHelp)' ? 'error: a command is expected; try --help' : error.message;
    if (error.exitCode !== 0) process.stderr.write(`${message}\n`);
    process.exit(error.exitCode === 0 ? exit.done : exit.usage);
  }
  process.stderr.write(
    `conductor: ${line
      .mask(messageOf(error))
      .trim()
      .replaceAll(/\s*\n\s*/g, ' ')}\n`,
  );
  process.exit(error instanceof ConfigError ? exit.usage : exit.failed);
}
