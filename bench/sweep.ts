import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { pino } from 'pino';
import { JobFigures } from '../src/core/job-figures.ts';
import { migrate } from '../src/database/migrate.ts';
import type { JobsDatabase } from '../src/jobs/contract.ts';
import { sweepJob } from '../src/jobs/sweep.ts';
import { upsertStatuses } from '../src/workers/methods/heartbeat/upsert-statuses.ts';
import { statuses } from '../src/workers/methods/statuses.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { instanceId } from './messages.ts';

export interface SweepBenchOptions {
  readonly instances: number;
  /** The part of them that is silent. */
  readonly silent: number;
  /** Heartbeats a second; undefined: as fast as Postgres takes them. */
  readonly rate?: number;
  readonly rounds: number;
}

/** Connections that write heartbeats as fast as they can, as the workers of a replica do, and the heartbeats of a batch. */
const load = { connections: 3, batch: 500 };
/** Milliseconds of heartbeats alone, before and after a sweep. */
const alone = 5000;

/** A statement's words for `upsertStatuses`. */
const running = statuses.get('running');

/**
 * Runs the sweep on a fleet, while heartbeats are written at a rate, or as fast as Postgres takes them. Tells the time of a sweep, whether it marked those that are silent and
 * no other, the heartbeats' rate with and without it, and their share of HOT updates.
 */
export async function benchSweep(options: SweepBenchOptions, tell: (line: string) => void): Promise<void> {
  const postgres = await startPostgres({ settings: { fsync: 'on', max_wal_size: '8GB' } });
  try {
    const url = postgres.url();
    const admin = await connectTo(url);
    await prepare(admin, url, options);
    const beats = new Beats(options);
    await beats.start(url);
    await rateOver(beats, 2 * alone);
    const jobs = await connectTo(url);
    for (let round = 1; round <= options.rounds; round += 1) {
      await fallSilent(admin, options);
      const hotBefore = await hotCounts(admin);
      const before = await rateOver(beats, alone);
      const hotAlone = hotShare(hotBefore, await hotCounts(admin));
      const began = performance.now();
      const written = beats.written;
      await sweepJob({
        figures: new JobFigures([]),
        heartbeatExpiry: 90_000,
        buildTimeout: 1_800_000,
        grace: 0,
        maxShare: 0.05,
        suspect: 0.55,
        isDryRun: false,
        interval: 10_000,
        goneAfter: 300_000,
        database: databaseOn(jobs),
        witness: () => ({ calmFor: 1e9, oldestUnsettled: 0 }),
        logger: pino({ level: 'silent' }),
      }).run(new AbortController().signal);
      const seconds = (performance.now() - began) / 1000;
      const during = (beats.written - written) / seconds;
      const hotDuring = hotShare(hotBefore, await hotCounts(admin));
      const after = await rateOver(beats, alone);
      const normal = (before + after) / 2;
      const { marked, wrongly } = await outcome(admin);
      tell(
        `round ${round}: ${seconds.toFixed(2)} s, ${marked} marked, ${wrongly} of them wrongly; heartbeats/s ${before.toFixed(0)} before, ` +
          `${during.toFixed(0)} during, ${after.toFixed(0)} after, ratio ${(during / normal).toFixed(2)}; ` +
          `HOT ${hotAlone.toFixed(4)} without, ${hotDuring.toFixed(4)} with it`,
      );
    }
    await beats.stop();
    await Promise.all([admin.end(), jobs.end()]);
  } finally {
    await postgres.stop();
  }
}

async function connectTo(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** The last contact of those that are alive lies in the future, until the first heartbeat. */
async function prepare(admin: pg.Client, url: string, { instances }: SweepBenchOptions): Promise<void> {
  await migrate({ url, dryRun: false, rollback: false, removeDuplicates: false, log: () => {} });
  // The ids of `instanceId`.
  const ids = `(SELECT md5('i' || g)::uuid::text AS id FROM generate_series(1, ${instances}) AS g) AS fleet`;
  await admin.query(
    `INSERT INTO instances (id, name, created, deleted) SELECT id, id, now() AT TIME ZONE 'utc', false FROM ${ids}`,
  );
  await admin.query('ALTER TABLE service_statuses DISABLE TRIGGER conductor_record_new_status');
  await admin.query(
    `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
     SELECT id, id, 1, 'running', now() AT TIME ZONE 'utc' + interval '1 day' FROM ${ids}`,
  );
  await admin.query('ALTER TABLE service_statuses ENABLE TRIGGER conductor_record_new_status');
  await admin.query('VACUUM ANALYZE');
  await admin.query('CHECKPOINT');
}

const isSilent = (index: number, silent: number) => index % Math.round(1 / silent) === 0;

async function fallSilent(admin: pg.Client, { instances, silent }: SweepBenchOptions): Promise<void> {
  const ids = Array.from({ length: instances }, (_, index) => index + 1)
    .filter((index) => isSilent(index, silent))
    .map(instanceId);
  await admin.query(
    `UPDATE service_statuses SET status_id = 1, status_description = 'running',
       updated_at = now() AT TIME ZONE 'utc' - interval '1 hour'
     WHERE instance_id = ANY($1)`,
    [ids],
  );
  await admin.query('TRUNCATE status_transitions');
}

/** Those that are silent keep their last contact, so that a wrong mark is seen by it. */
async function outcome(admin: pg.Client): Promise<{ marked: number; wrongly: number }> {
  const { rows } = await admin.query<{ marked: number; wrongly: number }>(
    `SELECT count(*)::integer AS marked,
       count(*) FILTER (WHERE updated_at > now() AT TIME ZONE 'utc' - interval '59 minutes')::integer AS wrongly
     FROM service_statuses WHERE status_description = 'unknown'`,
  );
  return rows[0] ?? { marked: 0, wrongly: 0 };
}

interface Hot {
  readonly updates: number;
  readonly hot: number;
}

async function hotCounts(admin: pg.Client): Promise<Hot> {
  // The backends report their counts once a second at most.
  await sleep(1500);
  const { rows } = await admin.query<Hot>(
    `SELECT n_tup_upd::double precision AS updates, n_tup_hot_upd::double precision AS hot
     FROM pg_stat_user_tables WHERE relname = 'service_statuses'`,
  );
  return rows[0] ?? { updates: 0, hot: 0 };
}

const hotShare = (from: Hot, to: Hot) => (to.hot - from.hot) / (to.updates - from.updates);

async function rateOver(beats: Beats, milliseconds: number): Promise<number> {
  const [began, written] = [performance.now(), beats.written];
  await sleep(milliseconds);
  return ((beats.written - written) / (performance.now() - began)) * 1000;
}

function databaseOn(client: pg.Client): JobsDatabase {
  return {
    async transaction(work) {
      await client.query('BEGIN');
      const result = await work({
        query: async (_, text, values) => (await client.query(text, [...values])).rows,
      });
      await client.query('COMMIT');
      return result;
    },
  };
}

/** Heartbeats of all guests that are alive, one after the other, without an end. */
class Beats {
  private readonly alive: string[];
  /** Milliseconds from one batch of a connection to the next. */
  private readonly interval: number;
  private readonly loops: Promise<void>[] = [];
  private next = 0;
  private ended = false;
  /** How many were written. */
  written = 0;

  constructor({ instances, silent, rate }: SweepBenchOptions) {
    this.interval = rate === undefined ? 0 : (1000 * load.batch * load.connections) / rate;
    this.alive = Array.from({ length: instances }, (_, index) => index + 1)
      .filter((index) => !isSilent(index, silent))
      .map(instanceId);
  }

  async start(url: string): Promise<void> {
    for (let index = 0; index < load.connections; index += 1) {
      const client = await connectTo(url);
      this.loops.push(this.beat(client));
    }
  }

  async stop(): Promise<void> {
    this.ended = true;
    await Promise.all(this.loops);
  }

  private async beat(client: pg.Client): Promise<void> {
    const db = {
      query: async <Row extends Record<string, unknown>>(
        name: string,
        text: string,
        values: ReadonlyArray<unknown>,
      ): Promise<Row[]> => (await client.query<Row>({ name, text, values: [...values] })).rows,
    };
    for (let due = performance.now(); !this.ended; due += this.interval) {
      const early = due - performance.now();
      if (this.interval > 0 && early > 0) await sleep(early);
      const guard = Date.now() / 1000;
      const ids = this.alive.slice(this.next, this.next + load.batch);
      this.next = this.next + load.batch < this.alive.length ? this.next + load.batch : 0;
      const folds = ids.map((id) => ({
        of: { instanceId: id, key: id, guard, status: running },
        first: guard,
        guard,
        state: running,
      }));
      await upsertStatuses(db, folds);
      this.written += folds.length;
    }
    await client.end();
  }
}
