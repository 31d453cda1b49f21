import { PageRefusal } from '../admin/page-source.ts';
import type { DatabaseAddress } from '../core/config/database-hosts.ts';
import type { Logger } from '../core/logger.ts';
import { Semaphore } from '../core/semaphore.ts';
import type { Query } from '../database/query.ts';
import { DatabasePool } from '../workers/postgres/pool.ts';
import { inTransaction } from '../workers/postgres/transaction.ts';
import type { WorkerSettings } from '../workers/settings.ts';

/** Milliseconds that a statement of the page may take. */
const statementTimeout = 5000;
/** Milliseconds without a use after which a connection is closed. */
const ordinaryIdle = 30_000;
/** Transactions that run or wait. */
export const mostWaiting = 20;

/** One connection of the status page, which is made at its first use and closed if it is not used. Messages never wait for it. */
export class PageConnection {
  private settings: WorkerSettings;
  private readonly logger: Logger;
  private readonly idleAfter: number;
  private readonly turn = new Semaphore(1);
  private waiting = 0;
  private pool: DatabasePool | undefined;
  private idleTimer: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** @param idleAfter milliseconds without a use after which the connection is closed. */
  constructor(settings: WorkerSettings, logger: Logger, idleAfter = ordinaryIdle) {
    const { database, calls } = settings;
    this.settings = {
      ...settings,
      database: { ...database, applicationName: `${database.applicationName} page` },
      concurrency: 1,
      calls: { ...calls, concurrency: 0 },
    };
    this.logger = logger;
    this.idleAfter = idleAfter;
  }

  /** Runs `work` in a transaction. Rejects with PageRefusal if too many wait already. */
  async transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    if (this.waiting >= mostWaiting)
      throw new PageRefusal(503, 'too many requests wait; try again in a moment');
    this.waiting += 1;
    clearTimeout(this.idleTimer);
    await this.turn.take();
    try {
      if (this.isClosed) throw new PageRefusal(503, 'the replica stops');
      this.pool ??= this.open();
      // A statement of the page runs seldom, so preparing it saves nothing.
      return await inTransaction(this.pool, { statementTimeout, preparedStatements: false }, (db) =>
        work((text, values = []) => db.query('', text, values)),
      );
    } finally {
      this.turn.give();
      this.waiting -= 1;
      if (this.waiting === 0) this.idleTimer = setTimeout(() => void this.end(), this.idleAfter).unref();
    }
  }

  /** Takes other credentials, for new connections. */
  renew(address: DatabaseAddress): void {
    this.settings = { ...this.settings, database: { ...this.settings.database, ...address } };
    this.pool?.renew(address);
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.idleTimer);
    await this.end();
  }

  private open(): DatabasePool {
    return new DatabasePool(this.settings, (line) => this.logger.warn({ code: 'database-pooler' }, line));
  }

  /** Never rejects: a connection that cannot be closed is broken. */
  private async end(): Promise<void> {
    const { pool } = this;
    this.pool = undefined;
    await pool?.end().catch(() => {});
  }
}
