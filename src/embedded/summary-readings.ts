/** The figures of the demo's summary. Postgres gives those of the guests, the conductor's counters all others. */
import pg from 'pg';
import { messageOf } from '../core/errors.ts';
import type { Counters } from '../core/gateway/counters.ts';
import type { CastOutcomeKind } from '../core/message/outcome.ts';

/** Seconds without a heartbeat after which a guest is shown as silent. */
const silentAfter = 5;
/** Seconds over which the rate is averaged. */
const rateWindow = 5;
/** Seconds until worker threads are loaded and connected. The times of the batches before are not counted. */
const warmAfter = 2;
/** How many guests are named that are not simulated ones. */
const othersNamed = 3;

/** A guest of the reader's own. */
export interface OtherGuest {
  readonly id: string;
  readonly status: string;
  readonly secondsAgo: number;
}

/** The values that the summary shows, at one moment. */
export interface Readings {
  /** Since the guests began. */
  readonly seconds: number;
  /** Read from Postgres: how many guests have each status. Guests without a recent heartbeat count as `silent`. */
  readonly guests: ReadonlyMap<string, number>;
  /** Read from Postgres: the newest ones first, a few at most. */
  readonly others: readonly OtherGuest[];
  /** Messages with an outcome, per second. */
  readonly rate: number;
  /** Milliseconds from the broker to the commit. Undefined during the warm-up. */
  readonly latency: { readonly p50: number; readonly p99: number } | undefined;
  readonly outcomes: Readonly<Record<CastOutcomeKind, number>>;
  /** The reason why messages do not flow. */
  readonly problem: string | undefined;
}

/** The sources of the readings. */
export interface Sources {
  readonly database: string;
  /** The simulated guests. */
  readonly ids: readonly string[];
  readonly counters: Counters;
  readonly heldBecause: () => string | undefined;
}

const countSql = `
SELECT CASE WHEN updated_at < (now() AT TIME ZONE 'utc') - make_interval(secs => $1) THEN 'silent'
  ELSE status_description END AS status, count(*)::integer AS guests
FROM service_statuses GROUP BY 1`;

const othersSql = `
SELECT instance_id AS id, status_description AS status,
  extract(epoch FROM (now() AT TIME ZONE 'utc') - updated_at)::double precision AS "secondsAgo"
FROM service_statuses WHERE instance_id <> ALL ($1) ORDER BY updated_at DESC LIMIT ${othersNamed}`;

/** Takes readings over a connection to Postgres of its own. */
export class Reader {
  private readonly sources: Sources;
  private readonly pool: pg.Pool;
  private readonly begin = performance.now();
  private readonly totals: { at: number; total: number }[] = [{ at: performance.now(), total: 0 }];
  private guests: ReadonlyMap<string, number> = new Map();
  private warm = false;
  private others: readonly OtherGuest[] = [];

  constructor(sources: Sources) {
    this.sources = sources;
    this.pool = new pg.Pool({
      connectionString: sources.database,
      application_name: 'conductor demo',
      max: 1,
      connectionTimeoutMillis: 2000,
      query_timeout: 2000,
    });
    // Without a listener the event would end the process. The next query reports the error.
    this.pool.on('error', () => {});
  }

  /** Never rejects. While Postgres does not answer, its figures stay and `problem` says why. */
  async read(): Promise<Readings> {
    const problem = await this.readDatabase();
    const { counters, heldBecause } = this.sources;
    const seconds = (performance.now() - this.begin) / 1000;
    return {
      seconds,
      guests: this.guests,
      others: this.others,
      rate: this.rate(),
      latency: this.latency(seconds),
      outcomes: { ...counters.outcomes },
      problem: heldBecause() ?? problem,
    };
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private async readDatabase(): Promise<string | undefined> {
    try {
      const counts = await this.pool.query<{ status: string; guests: number }>(countSql, [silentAfter]);
      const others = await this.pool.query<OtherGuest>(othersSql, [this.sources.ids]);
      this.guests = new Map(counts.rows.map(({ status, guests }) => [status, guests]));
      this.others = others.rows;
      return undefined;
    } catch (error) {
      return `Postgres does not answer: ${messageOf(error)}`;
    }
  }

  private latency(seconds: number): Readings['latency'] {
    const { latency } = this.sources.counters;
    if (!this.warm && seconds >= warmAfter) {
      latency.reset();
      this.warm = true;
    }
    if (!this.warm || latency.count === 0) return undefined;
    return { p50: latency.percentile(50) / 1000, p99: latency.percentile(99) / 1000 };
  }

  private rate(): number {
    const { totals } = this;
    const at = performance.now();
    const total = Object.values(this.sources.counters.outcomes).reduce((sum, count) => sum + count, 0);
    totals.push({ at, total });
    while (totals.length > 2 && (totals[0]?.at ?? at) < at - rateWindow * 1000) totals.shift();
    const [oldest] = totals;
    return oldest === undefined || at - oldest.at < 1
      ? 0
      : ((total - oldest.total) / (at - oldest.at)) * 1000;
  }
}
