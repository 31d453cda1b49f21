import { availableParallelism } from 'node:os';
import { type AdminServer, startAdmin } from './admin/server.ts';
import type { Account } from './core/accounting.ts';
import { fullJitter, pause } from './core/backoff.ts';
import { type Access, anonymous } from './core/config/access.ts';
import type { Config } from './core/config/load.ts';
import { settledBy } from './core/deadline.ts';
import { Dispatcher } from './core/dispatcher.ts';
import { ConfigError, messageOf, NotConnected } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import { Supervisor, type SupervisorState } from './core/supervisor.ts';
import { queryOn } from './database/query.ts';
import { missingFromSchema } from './database/schema.ts';
import { openSession } from './database/session.ts';
import { Maintenance } from './jobs/maintenance.ts';
import { missingFromModels } from './workers/models/check.ts';
import { WorkerPool } from './workers/pool.ts';
import type { WorkerSettings } from './workers/protocol.ts';

/** The default of Trove's `inst_rpc_key_encr_key` (trove/common/cfg.py), known to everybody. */
const publicKey = 'emYjgHFqfXNB1NGehAFIUeoyw4V4XwWHEaKP';

/** A running replica. */
export interface Conductor {
  /** What became of the messages, by transport. */
  readonly accounts: ReadonlyMap<string, Account>;
  /** Why messages are held at the moment; undefined while they flow. */
  readonly heldBecause: string | undefined;
  /** What each transport's connection is doing, and what went wrong with it last. */
  states(): Record<string, { readonly state: SupervisorState; readonly lastError: string | undefined }>;
  /** Takes no more, finishes what it holds, gives back the rest. Within `shutdown.deadline`; again is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts a replica: database, then workers, then transports. Rejects with ConfigError if it can never work. A broker that is
 * not there is waited for in the background, a database that is not there before anything else.
 */
export async function startConductor(
  config: Config,
  logger: Logger,
  signal?: AbortSignal,
): Promise<Conductor> {
  if (config.transports.length === 0) throw new ConfigError('transports: at least one is required');
  await awaitDatabase(config, logger, signal);

  const { workers, reconnect } = config;
  const threads = workers.threads || Math.max(1, availableParallelism() - 1);
  const pool = new WorkerPool({
    threads,
    maxBody: config.maxBody,
    settings: workerSettings(config),
    logger,
  });
  const dispatcher = new Dispatcher({
    run: (transport, batch) => pool.run(transport, batch),
    call: (transport, call, timeout) => pool.call(transport, call, timeout),
    slots: threads * workers.concurrency,
    callSlots: threads * config.calls.concurrency,
    callTimeout: config.calls.timeout,
    maxBatch: workers.maxBatch,
    backoff: reconnect,
    logger,
  });
  const share = {
    messages: Math.floor(config.maxInFlight / config.transports.length),
    bytes: Math.floor(config.maxInFlightBytes / config.transports.length),
  };
  const lanes = config.transports.map((configured) => {
    const child = logger.child({ transport: configured.name });
    if (configured.options.auth.mode === 'none') {
      child.warn('auth.mode is none: any sender may report for any instance');
      if (config.access.services.has(anonymous))
        child.warn('services.anonymous: anybody who can send to this transport may do what it grants');
    }
    if (configured.options.auth.instRpcKeyEncrKey === publicKey) {
      child.warn(
        "auth.instRpcKeyEncrKey is Trove's public default: whoever reads the database can send as any guest",
      );
    }
    if (configured.options.codec === 'oslo' && config.notifications.topic === '') {
      child.warn('notifications.topic is empty: what guests notify is not published');
    }
    const lane = dispatcher.lane(configured.name, share);
    const transport = configured.create({ share, replica: config.replica, logger: child });
    return {
      name: configured.name,
      lane,
      supervisor: new Supervisor({ transport, lane, backoff: reconnect, logger: child }),
    };
  });
  const maintenance = new Maintenance({
    round: async () => {
      const { notifications = [], ...round } = await pool.maintain();
      for (const [transport, notification] of notifications)
        await dispatcher.announce(transport, notification);
      return round;
    },
    interval: config.deferred.interval,
    backoff: reconnect,
    logger,
  });

  let stopped: Promise<void> | undefined;
  let admin: AdminServer | undefined;
  const conductor: Conductor = {
    accounts: new Map(lanes.map(({ name, lane }) => [name, lane.account])),
    get heldBecause() {
      return dispatcher.heldBecause;
    },
    states: () =>
      Object.fromEntries(
        lanes.map(({ name, supervisor: { state, lastError } }) => [name, { state, lastError }]),
      ),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };

  async function stop(): Promise<void> {
    const deadline = AbortSignal.timeout(config.shutdown.deadline);
    const supervisors = lanes.map(({ supervisor }) => supervisor);
    await Promise.all([
      // A round waits for the database, which may not answer.
      settledBy(maintenance.stop(), deadline),
      ...supervisors.map((supervisor) => supervisor.drain(deadline)),
    ]);
    await dispatcher.idle(deadline);
    dispatcher.stop();
    await Promise.all(supervisors.map((supervisor) => supervisor.stop(deadline)));
    await pool.close();
    await admin?.stop();
    for (const { name, lane } of lanes) {
      const { received, redelivered, outcomes, released } = lane.account;
      logger.info({ transport: name, received, redelivered, ...outcomes, released }, 'stopped');
    }
  }

  try {
    admin = await startAdmin(config.admin, conductor);
    if (admin.url !== undefined) logger.info({ url: admin.url }, 'health is told over HTTP');
    await pool.ready();
    await Promise.all(lanes.map(({ name, supervisor }) => startTransport(name, supervisor)));
  } catch (error) {
    await conductor.stop();
    throw error;
  }
  return conductor;
}

async function startTransport(name: string, supervisor: Supervisor): Promise<void> {
  try {
    await supervisor.start();
  } catch (error) {
    throw error instanceof ConfigError
      ? new ConfigError(`transports.${name}: ${error.message}`, { cause: error })
      : error;
  }
}

/** Waits until the database is there; fails with ConfigError if it has to be migrated first. */
async function awaitDatabase(
  { database, reconnect, access }: Config,
  logger: Logger,
  signal?: AbortSignal,
): Promise<void> {
  for (let failures = 0; ; failures += 1) {
    try {
      await checkSchema(database.url, access);
      return;
    } catch (error) {
      if (!(error instanceof NotConnected) || signal?.aborted) throw error;
      const delay = fullJitter(failures, reconnect);
      logger.error({ error: messageOf(error), retryInMs: Math.round(delay) }, 'waiting for the database');
      await pause(delay, signal);
    }
  }
}

async function checkSchema(url: string, access: Access): Promise<void> {
  const client = await openSession(url);
  try {
    const query = queryOn(client);
    const missing = await missingFromSchema(query);
    if (missing.length > 0) {
      throw new ConfigError(
        `the database lacks ${missing.join(', ')}: run \`conductor migrate\` with this configuration`,
      );
    }
    const problem = await missingFromModels({ query: (_, text, values) => query(text, [...values]) }, access);
    if (problem !== undefined) throw new ConfigError(problem);
  } finally {
    await client.end();
  }
}

function workerSettings(config: Config): WorkerSettings {
  return {
    database: { ...config.database, applicationName: `conductor ${config.replica}` },
    concurrency: config.workers.concurrency,
    maxBody: config.maxBody,
    transports: Object.fromEntries(
      config.transports.map(({ name, options: { codec, auth } }) => [
        name,
        { codec, auth: auth.mode, instRpcKeyEncrKey: auth.instRpcKeyEncrKey },
      ]),
    ),
    autoRegister: config.guests.autoRegister,
    deferred: config.deferred,
    deadLetters: config.deadLetters,
    notifications: {
      topic: config.notifications.topic,
      publisherHost: config.notifications.publisherHost || config.replica,
    },
    calls: config.calls,
    managerModule: config.manager || undefined,
    access: config.access,
  };
}
