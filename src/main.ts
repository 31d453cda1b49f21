#!/usr/bin/env -S node --max-semi-space-size=4 --v8-pool-size=1
import { readFile } from 'node:fs/promises';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { stringify } from 'yaml';
import { runDemo } from './commands/demo.ts';
import { addSendingCommands } from './commands/sending.ts';
import { startConductor } from './conductor.ts';
import { type Config, loadConfig, printable, secretsOf } from './core/config/load.ts';
import { createMasker } from './core/config/secrets.ts';
import { ConfigError, messageOf } from './core/errors.ts';
import { createLogger } from './core/logger.ts';
import { migrate } from './database/migrate.ts';
import { transportKinds } from './transports/index.ts';

/** Exit codes: 0 done, 1 failed, 2 usage or configuration. */
const exit = { done: 0, failed: 1, usage: 2 } as const;

/** Hides what the configuration says is secret; whatever fails before it is read knows no secrets. */
let mask = (text: string): string => text;

async function load(file: string): Promise<Config> {
  const config = await loadConfig(file, process.env, transportKinds);
  hide(config);
  return config;
}

function hide(config: Config): typeof mask {
  mask = createMasker(secretsOf(config));
  return mask;
}

/** Milliseconds in which a second signal is the first one again: npm passes on the Ctrl-C that the terminal sent already. */
const sameSignal = 500;

/** Aborted by the first SIGINT or SIGTERM. The second one ends the process where it stands. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (!controller.signal.aborted) first = performance.now();
      else if (performance.now() - first > sameSignal) process.exit(exit.failed);
      controller.abort();
    });
  }
  return controller.signal;
}

function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

async function start({ config: file }: { config: string }): Promise<void> {
  const config = await load(file);
  const logger = createLogger(config.log.level, mask);
  const interrupted = interruption();
  const conductor = await startConductor(config, logger, interrupted);
  await new Promise<void>((resolve) => {
    if (interrupted.aborted) resolve();
    interrupted.addEventListener('abort', () => resolve());
  });
  logger.info('stopping');
  await conductor.stop();
}

interface MigrateFlags {
  config: string;
  dryRun: boolean;
  rollback: boolean;
  removeDuplicates: boolean;
}

async function runMigrate({ config: file, ...flags }: MigrateFlags): Promise<void> {
  const { database } = await load(file);
  const { url, passwordFile } = database;
  await migrate({ url, passwordFile, ...flags, log: (line) => print(mask(line)) });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number of seconds above 0 is expected');
  return value;
}

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
  program
    .command('start')
    .description('run a replica')
    .requiredOption('--config <file>', 'the configuration')
    .action(start);
  program
    .command('migrate')
    .description('create or upgrade the tables')
    .requiredOption('--config <file>', 'the configuration')
    .option('--dry-run', 'only say what would be done', false)
    .option('--rollback', 'take away what was added', false)
    .option('--remove-duplicates', 'of several statuses of one instance keep the newest only', false)
    .action(runMigrate);
  program
    .command('demo')
    .description('Postgres, an MQTT broker, simulated guests and a conductor in one process')
    .option('--for <seconds>', 'end by itself after so long', seconds)
    .action((options: { for?: number }) => runDemo(options.for, interruption()));
  program
    .command('check-config <file>')
    .description('check a configuration and print what it means')
    .action(async (file: string) => print(stringify(printable(await load(file)))));
  addSendingCommands(program, { print, hide, interruption });
  await program.parseAsync();
}

try {
  await main();
  process.exit(exit.done);
} catch (error) {
  if (error instanceof CommanderError) {
    // Without a command it would print the whole help, and has this as its message.
    const message =
      error.message === '(outputHelp)' ? 'error: a command is expected; try --help' : error.message;
    if (error.exitCode !== 0) process.stderr.write(`${message}\n`);
    process.exit(error.exitCode === 0 ? exit.done : exit.usage);
  }
  process.stderr.write(
    `conductor: ${mask(messageOf(error))
      .trim()
      .replaceAll(/\s*\n\s*/g, ' ')}\n`,
  );
  process.exit(error instanceof ConfigError ? exit.usage : exit.failed);
}
