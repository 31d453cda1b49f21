import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { startConductor } from '../conductor.ts';
import { pause } from '../core/backoff.ts';
import { parseConfig } from '../core/config/load.ts';
import { ConfigError, messageOf } from '../core/errors.ts';
import type { Counters } from '../core/gateway/counters.ts';
import { type Logger, lineForm } from '../core/logger.ts';
import { migrate } from '../database/migrate.ts';
import { startBroker } from '../embedded/broker.ts';
import { startGuests } from '../embedded/guests.ts';
import { onFreePort } from '../embedded/ports.ts';
import { embeddedBinaries, type RunningPostgres, startPostgres } from '../embedded/postgres.ts';
import { renderEnd } from '../embedded/summary.ts';
import { introduction } from '../embedded/summary-intro.ts';
import { Reader } from '../embedded/summary-readings.ts';
import { show } from '../embedded/summary-show.ts';
import { transportKinds } from '../transports/index.ts';

/** A folder in the current working directory. */
const folder = '.conductor';
const places = {
  data: join(folder, 'postgres'),
  config: join(folder, 'demo.yaml'),
  log: join(folder, 'conductor.log'),
  token: join(folder, 'admin-token'),
};
const fleetSize = 24;
/** The protocols' own ports, so that the lines to try are short. If they are taken, others. */
const usualPorts = { postgres: 5432, mqtt: 1883, page: 8080 };
const endedEarly = 'Ended before the guests began.';
/** Milliseconds to wait for the first heartbeat. After that the figures are shown without it. */
const firstPatience = 5000;
/** The longest time of a timer, in milliseconds: 24 days. */
const longestTimer = 2 ** 31 - 1;

/**
 * Runs the whole product in one process: a Postgres, an MQTT broker, a conductor between them and simulated guests, with a summary of
 * their work. Ends when it is interrupted, or by itself some seconds after the guests began. Only its folder stays.
 */
export async function runDemo(seconds: number | undefined, interrupted: AbortSignal): Promise<void> {
  const unwatched = new AbortController();
  // The terminal was closed, or the reader of our output has ended.
  process.on('SIGHUP', () => unwatched.abort());
  process.stdout.on('error', () => unwatched.abort());
  const stops: (() => Promise<void>)[] = [];
  let end: string;
  try {
    end = await run(seconds, AbortSignal.any([interrupted, unwatched.signal]), stops);
  } finally {
    await stopAll(stops);
  }
  print(end);
}

/** Starts all parts, records how to stop each, and shows the summary until the end. Resolves with the last line. */
async function run(
  seconds: number | undefined,
  interrupted: AbortSignal,
  stops: (() => Promise<void>)[],
): Promise<string> {
  print(`Starting Postgres in ${places.data}; the first time this takes some seconds.`);
  const postgres = await startDatabase();
  stops.push(postgres.stop);
  const database = postgres.url();
  const logger = openLog();
  const log = (line: string) => logger.info(line);
  await migrate({ url: database, dryRun: false, rollback: false, removeDuplicates: false, log });
  if (interrupted.aborted) return endedEarly;

  const broker = await onFreePort(usualPorts.mqtt, startBroker);
  stops.push(broker.stop);
  makeToken();
  let page = '';
  const conductor = await onFreePort(usualPorts.page, (port) => {
    page = `http://127.0.0.1:${port}/`;
    const text = configuration(database, broker.url, port);
    writeFileSync(places.config, text);
    const config = parseConfig(text, places.config, {}, transportKinds);
    return startConductor(config, logger, interrupted);
  });
  stops.push(conductor.stop);
  if (interrupted.aborted) return endedEarly;
  const [counters] = conductor.counters.values();
  if (counters === undefined) throw new Error('the conductor of the demo has no transport');

  const { notes } = postgres;
  print(introduction({ guests: fleetSize, page, database, broker: broker.url, ...places, notes }));
  const fleet = startGuests(broker.url, fleetSize);
  stops.push(fleet.stop);
  const reader = new Reader({ database, ids: fleet.ids, counters, heldBecause: () => conductor.heldBecause });
  stops.push(() => reader.close());

  const gone = ended(postgres);
  const over = AbortSignal.any([interrupted, gone, timer(seconds)]);
  await announceFirst(counters, over);
  const output = process.stdout;
  const colours = output.hasColors?.() ?? false;
  await show({ output, colours, read: () => reader.read(), until: seconds, over });
  gone.throwIfAborted();
  print('Ending: first the guests, then the conductor, the broker and Postgres.');
  await fleet.stop();
  await conductor.stop();
  return renderEnd(await reader.read(), places.data);
}

async function startDatabase(): Promise<RunningPostgres> {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new ConfigError(`run it in a folder that you may write to: ${messageOf(error)}`);
  }
  const binaries = await embeddedBinaries();
  return onFreePort(usualPorts.postgres, (port) =>
    startPostgres({ binaries, dataDirectory: places.data, port }),
  );
}

/** The token with which the user of the status page may see and redrive dead letters. It stays, so that a browser stays signed in. */
function makeToken(): void {
  if (!existsSync(places.token))
    writeFileSync(places.token, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
}

/** The log of this run, in a file: on the terminal it would interrupt the summary. */
function openLog(): Logger {
  const file = pino.destination({ dest: places.log, append: false, sync: true });
  // A full disk must not end the demo because of its log.
  file.on('error', () => {});
  return pino({ ...lineForm, level: 'info' }, file);
}

/** An ordinary configuration, which the user can read and build on. */
function configuration(database: string, broker: string, port: number): string {
  return `# What \`conductor demo\` runs with; it writes this file at each start.
# \`conductor check-config ${places.config}\` shows it with all defaults.
replica: demo
database:
  url: ${database}
transports:
  guests:
    kind: mqtt
    url: ${broker}
    # The broker inside the demo speaks no MQTT 5 and has no shared subscriptions, so there is one replica only.
    version: '3.1.1'
    shared: false
    auth:
      mode: subject
guests:
  autoRegister: true
admin:
  port: ${port}
  tokenFile: ${places.token}
shutdown:
  deadline: 5000
`;
}

/** A signal that is aborted, with an error, when the server ends. */
function ended(postgres: RunningPostgres): AbortSignal {
  const controller = new AbortController();
  void postgres.exited.then(({ output }) => {
    const [words = 'without a word'] = output.trim().split('\n').slice(-1);
    controller.abort(new Error(`Postgres has ended by itself: ${words}`));
  });
  return controller.signal;
}

/** A signal that is aborted after so many seconds, or never. */
function timer(seconds: number | undefined): AbortSignal {
  if (seconds === undefined) return new AbortController().signal;
  return AbortSignal.timeout(Math.min(Math.ceil(seconds * 1000), longestTimer));
}

async function announceFirst({ outcomes }: Counters, over: AbortSignal): Promise<void> {
  const patience = AbortSignal.any([over, AbortSignal.timeout(firstPatience)]);
  while (outcomes.applied === 0 && !patience.aborted) await pause(10, patience);
  if (outcomes.applied === 0) return;
  // The clock of `performance` starts with the process.
  print(`The first heartbeat was in Postgres ${(performance.now() / 1000).toFixed(1)} s after the start.\n`);
}

/** Stops the parts in the reverse order of their starts, even if one fails. Throws the first error at the end. */
async function stopAll(stops: ReadonlyArray<() => Promise<void>>): Promise<void> {
  const errors: unknown[] = [];
  for (const stop of stops.toReversed()) await stop().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
