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
import { addDoctor } from './commands/doctor.ts';
import { addExplain } from './commands/explain.ts';
import { addKeys } from './commands/keys.ts';
import { addMigrate } from './commands/migrate.ts';
import { addSimulate } from './commands/simulate.ts';
import { addSize } from './commands/size.ts';
import { addStart } from './commands/start.ts';
import { ConfigError, messageOf, NotConnected } from './core/errors.ts';

/** Exit codes: 0 done, 1 failed, 2 usage or configuration. */
const exit = { done: 0, failed: 1, usage: 2 } as const;

const line = new CommandLine();

/** In the order of the help. */
const commands = [
  addStart,
  addMigrate,
  addDemo,
  addCheckConfig,
  addDoctor,
  addCast,
  addCall,
  addSimulate,
  addDeferred,
  addDead,
  addExplain,
  addKeys,
  addSize,
];

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { version }: { version: string } = JSON.parse(text);
  return version;
}

/** The code of an error, for docs/errors.md. The general codes say no more than the text does. */
function codeIn(error: unknown): string {
  const isCoded = error instanceof ConfigError || error instanceof NotConnected;
  return isCoded && error.code !== 'configuration' && error.code !== 'not-connected'
    ? ` [${error.code}]`
    : '';
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
      .replaceAll(/\s*\n\s*/g, ' ')}${codeIn(error)}\n`,
  );
  process.exit(error instanceof ConfigError ? exit.usage : exit.failed);
}
