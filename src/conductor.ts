import { availableParallelism } from 'node:os';
import { type AdminServer, startAdmin } from './admin/server.ts';
import { watchClocks } from './conductor/clocks.ts';
import { awaitDatabase } from './conductor/database.ts';
import { DurabilityWatch } from './conductor/durability.ts';
import { createJobs, jobsConnections } from './conductor/jobs.ts';
import { createOutbox } from './conductor/outbox.ts';
import { createPageSource } from './conductor/page.ts';
import { createPeers } from './conductor/peers.ts';
import { Reloading } from './conductor/reload.ts';
import { type Conductor, Replica } from './conductor/replica.ts';
import { Stopping } from './conductor/stop.ts';
import { SweepWitness } from './conductor/sweep.ts';
import { roundsWithSpans, withSpans } from './conductor/tracing.ts';
import { createTransports, startTransport } from './conductor/transport.ts';
import { statusWaits } from './conductor/waits.ts';
import { type Config, secretsOf } from './core/config/load.ts';
import { Masking } from './core/config/secrets.ts';
import { unlessAborted } from './core/deadline.ts';
import { ConfigError } from './core/errors.ts';
import { DeadLetterLog } from './core/gateway/dead-letter-log.ts';
import { Dispatcher } from './core/gateway/dispatcher.ts';
import { longestGathering } from './core/gateway/gathering.ts';
import { Parking } from './core/gateway/parking.ts';
import { PutAside } from './core/gateway/put-aside.ts';
import { Utilisation } from './core/gateway/utilisation.ts';
import { WedgeWatch } from './core/gateway/wedge.ts';
import { JobFigures } from './core/job-figures.ts';
import type { Logger } from './core/logger.ts';
import { codecs } from './core/message/codecs/index.ts';
import type { CallRun, DeadNotice } from './core/message/outcome.ts';
import type { Delivery } from './core/transport/contract.ts';
import { DatabaseProbe } from './database/probe.ts';
import { DatabaseWatch } from './jobs/database-watch.ts';
import { TableWatch } from './jobs/table-watch.ts';
import { registeredTracing } from './tracing/tracing.ts';
import { WorkerPool } from './workers/pool.ts';
import { workerSettingsOf } from './workers/settings.ts';

/** Milliseconds between two checks of the database while nothing is committed. */
const watchInterval = 2000;

/** The answer to a call for which there is no room. */
const busy = {
  class: 'Busy',
  message: 'this conductor has as many calls as it takes at once; try again in a moment',
};

/**
 * Starts a replica: database, then workers, then transports. Waits for a database that is away. Goes on without a broker that is away,
 * and connects to it later. Rejects with ConfigError if the replica can never work.
 *
 * @param signal aborted: the caller is going to stop the replica, and need not wait until it has started.
 * @param onMade called before the first connection to a broker: from then on there may be messages to give back.
 */
export async function startConductor(
  config: Config,
  logger: Logger,
  signal?: AbortSignal,
  onMade: (conductor: Conductor) => void = () => {},
): Promise<Conductor> {
  if (config.transports.length === 0)
    throw new ConfigError('transports: at least one is required', { code: 'no-transport' });
  const durability = new DurabilityWatch(config, logger);
  await awaitDatabase(config, logger, (query) => durability.admitDatabase(query), signal);
  const { workers, reconnect } = config;
  const threads = workers.threads || Math.max(1, availableParallelism() - 1);
  const [slots, callSlots] = [threads * workers.concurrency, threads * config.calls.concurrency];
  const settings = workerSettingsOf(config);
  const tracing = registeredTracing();
  if (tracing !== undefined) logger.info('tracing is on: an SDK of OpenTelemetry is registered');
  const { maxBody } = config;
  const pool = new WorkerPool({ threads, maxBody, settings, carriesTraces: tracing !== undefined, logger });
  const deadLetters = new DeadLetterLog(logger);
  const putAside = new PutAside(logger);
  const figures = new JobFigures(config.transports.map(({ name }) => name));
  const connections = jobsConnections(settings, logger);
  const clocks = watchClocks(config, connections.rounds, logger);
  const runBatch = (transport: string, batch: ReadonlyArray<Delivery>, traceId?: string) =>
    wedge.during(async () => {
      const result = await pool.run(transport, batch, traceId);
      putAside.note(result.putAsideBecause);
      clocks.note(result.clocks);
      return outbox.note(transport, result);
    });
  const runCall = async (transport: string, call: Delivery, run: CallRun, traceId?: string) =>
    outbox.note(transport, await pool.call(transport, call, run, traceId));
  const dispatcher = new Dispatcher({
    ...withSpans({ run: runBatch, call: runCall }, tracing),
    waits: statusWaits(config, connections.rounds, logger),
    slots,
    callSlots,
    callTimeout: config.calls.timeout,
    busy: (transport, address) => codecOf(transport).encodeAnswer(address, { error: busy }),
    contentType: (transport) => codecOf(transport).contentType,
    maxBatch: workers.maxBatch,
    gathering: longestGathering,
    onDead: (notice) => deadLetters.add(notice),
    backoff: reconnect,
    logger,
  });
  const codecNames = new Map(config.transports.map(({ name, options }) => [name, options.codec]));
  const codecOf = (transport: string) => codecs[codecNames.get(transport) ?? 'native'];
  const perTransport = createTransports(config, dispatcher, durability, tracing, logger);
  const outbox = createOutbox(config, pool, perTransport, logger);
  /** Takes a dead letter that comes from no delivery. */
  const onDead = (notice: DeadNotice) => {
    const own = perTransport.find(({ name }) => name === notice.transport);
    own?.inlet.counters.countDead(notice.reason);
    deadLetters.add(notice);
  };
  const rounds = roundsWithSpans(
    { retry: (transport) => pool.retry(transport), redrive: (transport) => pool.redrive(transport) },
    tracing,
  );
  const retry = async (transport: string) => {
    const { dead = [], ...round } = outbox.note(transport, await rounds.retry(transport));
    for (const notice of dead) onDead(notice);
    figures.transports.get(transport)?.countRetried(round);
    return round;
  };
  const redrive = async (transport: string) => {
    const round = outbox.note(transport, await rounds.redrive(transport));
    figures.transports.get(transport)?.countRedriven(round.outcomes);
    return round;
  };
  const { publishDue } = outbox;
  const witness = new SweepWitness(config, perTransport, dispatcher, () => watch.problem !== undefined);
  const { registry, jobs: adoptions } = createPeers(
    config,
    perTransport,
    dispatcher,
    connections.rounds,
    logger,
  );
  const jobs = createJobs(
    config,
    connections,
    { retry, redrive, publishDue, onDead, adoptions, witness: () => witness.tell(), figures },
    logger,
  );
  const probe = new DatabaseProbe(config.database, `conductor ${config.replica}`);
  const database = {
    probe: () => probe.ask(),
    committed: () => perTransport.reduce((sum, { inlet }) => sum + inlet.counters.committed, 0),
    logger,
  };
  const isHeld = () => dispatcher.heldBecause !== undefined;
  const watch = new DatabaseWatch({ ...database, isHeld, interval: watchInterval });
  const supervisors = perTransport.map(({ supervisor }) => supervisor);
  const parking = new Parking({ ...database, after: config.park.after, supervisors, gate: dispatcher.gate });
  const counters = new Map(perTransport.map(({ name, inlet }) => [name, inlet.counters]));
  const wedge = new WedgeWatch({
    // A call may keep its transport's only message for as long as that.
    patience: config.health.wedgedAfter && Math.max(config.health.wedgedAfter, 2 * config.calls.timeout),
    counters,
    isDatabaseAway: () => watch.problem !== undefined,
    isHeld,
    overdueJob: () => jobs.overdue,
    logger,
  });
  const utilisation = new Utilisation({
    messages: dispatcher.load,
    mostMessages: Math.min(slots * workers.maxBatch, config.maxInFlight),
    calls: dispatcher.callLoad,
    callSlots,
    isHeld,
  });
  const tables = new TableWatch(connections.rounds, figures);
  const watches: { start(): void; stop(): void }[] = [watch, wedge, witness, clocks, parking, utilisation];
  // They are for the metrics only.
  if (config.admin.port !== 0) watches.push(tables);
  let admin: AdminServer | undefined;
  const stopping = new Stopping({
    deadline: config.shutdown.deadline,
    transports: perTransport,
    dispatcher,
    jobs,
    registry,
    connections,
    outbox,
    watches: [...watches, durability],
    probe,
    pool,
    deadLetters,
    admin: () => admin,
    logger,
  });
  const page = createPageSource(config, pool, logger);
  const masking = new Masking(secretsOf(config));
  const reloading = new Reloading({
    ...{ config, pool, jobs, probe, page, masking, logger },
    transports: perTransport,
  });
  const conductor: Conductor = new Replica({
    config,
    counters,
    jobs,
    figures,
    dispatcher,
    pool,
    outbox,
    transports: perTransport,
    workers: { threads, slots, callSlots },
    putAside,
    wedge,
    watch,
    durability,
    clocks,
    utilisation,
    stopping,
    reloading,
    masking,
  });
  onMade(conductor);

  try {
    admin = await startAdmin(config.admin, conductor, page, logger);
    if (admin.url !== undefined)
      logger.info({ url: admin.url }, 'the status page, health and metrics are served over HTTP');
    await unlessAborted(pool.ready(), signal);
    // Before a session is taken from a peer that holds it for this replica.
    await unlessAborted(registry.start(), signal);
    // The caller need not wait until connecting to a silent broker has failed.
    if (signal?.aborted) return conductor;
    const started = perTransport.map(({ name, supervisor }) => startTransport(name, supervisor));
    await unlessAborted(Promise.all(started), signal);
    if (signal?.aborted) return conductor;
    durability.start(probe);
    for (const part of [jobs, ...watches]) part.start();
  } catch (error) {
    await conductor.stop();
    throw error;
  }
  return conductor;
}
