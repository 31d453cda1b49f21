import pg from 'pg';
import {
  DatabaseHosts,
  type DatabaseTarget,
  type SessionAnswer,
  sessionQuestion,
  type TargetOptions,
} from '../../core/config/database-hosts.ts';
import type { WorkerSettings } from '../settings.ts';
import { isForgottenStatement } from './connection-state.ts';

/**
 * Only where nothing lies in between: on a pooler's connection it would stay for others. A replica that has vanished is noticed
 * after half a minute, and what the server still has to send it is given up then.
 */
const keepAlive = `SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4;
  SET tcp_user_timeout = 30000`;

/** What is known of a connection. */
interface Opened {
  /** Which of the pool's generations it was opened in. */
  readonly generation: number;
  /** Whether a pooler lies between it and Postgres. */
  readonly pooled: boolean;
}

/** A worker thread's connections to Postgres. */
export class DatabasePool extends pg.Pool {
  private readonly settings: WorkerSettings['database'];
  private readonly hosts: DatabaseHosts;
  private readonly warn: (line: string) => void;
  private readonly ordinaryBegin: string;
  private readonly opened = new WeakMap<pg.ClientBase, Opened>();
  private generation = 0;
  private named = true;

  /** @param warn takes a line for the operator. */
  constructor({ database, concurrency, calls }: WorkerSettings, warn: (line: string) => void) {
    const hosts = new DatabaseHosts(database);
    const clientOptions = {
      connectionTimeoutMillis: database.connectTimeout,
      // A server that vanished without a word would leave the batch waiting for ever.
      query_timeout: Math.max(database.statementTimeout, calls.timeout) + 5000,
      keepAlive: true,
      application_name: database.applicationName,
    };
    super({
      Client: class extends HostClient {
        constructor() {
          super(hosts, clientOptions);
        }
      },
      onConnect: (client) => this.greet(client),
      max: concurrency + calls.concurrency,
      connectionTimeoutMillis: database.connectTimeout,
      idleTimeoutMillis: 0,
    });
    this.settings = database;
    this.hosts = hosts;
    this.warn = warn;
    this.ordinaryBegin = this.beginWith(database.lockTimeout, database.statementTimeout);
    // An idle connection that breaks is replaced at its next use; without a listener it would end the thread.
    this.on('error', () => {});
  }

  /** A connection, for one to give back with `release`: one that knows nothing which is out of date, to a server that will do. */
  async take(): Promise<pg.PoolClient> {
    const problems: unknown[] = [];
    for (;;) {
      const target = this.hosts.current;
      let client: pg.PoolClient;
      try {
        client = await this.connect();
      } catch (error) {
        problems.push(error);
        if (target !== this.hosts.current && problems.length < this.hosts.targets.length) continue;
        throw problems.length === 1 ? error : new AggregateError(problems, '');
      }
      if (this.opened.get(client)?.generation === this.generation) return client;
      client.release(true);
    }
  }

  /**
   * The statements that a transaction begins with, to be sent as one: nothing of them stays behind on a pooler's connection, and
   * nothing that a role, a database or a URL has set goes before them.
   */
  begin(lockTimeout: number | undefined, statementTimeout: number | undefined): string {
    if (lockTimeout === undefined && statementTimeout === undefined) return this.ordinaryBegin;
    const { settings } = this;
    return this.beginWith(lockTimeout ?? settings.lockTimeout, statementTimeout ?? settings.statementTimeout);
  }

  private beginWith(lockTimeout: number, statementTimeout: number): string {
    const { idleInTransactionTimeout, synchronousCommit } = this.settings;
    return [
      'BEGIN ISOLATION LEVEL READ COMMITTED',
      `SET LOCAL statement_timeout = ${Math.ceil(statementTimeout)}`,
      `SET LOCAL lock_timeout = ${Math.ceil(lockTimeout)}`,
      `SET LOCAL idle_in_transaction_session_timeout = ${idleInTransactionTimeout}`,
      `SET LOCAL synchronous_commit = ${synchronousCommit}`,
    ].join('; ');
  }

  /** Whether statements may have names here. */
  get hasNames(): boolean {
    return this.named;
  }

  /**
   * What this connection remembers is out of date, and so may be what those remember that were opened before now: none of
   * them is used again. The connection itself is to be released as broken.
   */
  outdated(client: pg.PoolClient, error: unknown): void {
    const opened = this.opened.get(client);
    if (opened === undefined || opened.generation !== this.generation) return;
    this.generation += 1;
    if (!this.named || !opened.pooled || !isForgottenStatement(error)) return;
    this.named = false;
    this.warn(
      'the pooler in front of Postgres does not keep prepared statements: they are done without; set database.preparedStatements: false',
    );
  }

  /** Asks a new connection where it leads to. Rejects if it is not to be used. */
  private async greet(client: pg.ClientBase): Promise<void> {
    if (!(client instanceof HostClient)) throw new TypeError('a connection of another kind');
    const { rows } = await client.query<SessionAnswer>(sessionQuestion);
    const [answer] = rows;
    if (answer === undefined) throw new Error('Postgres does not say what it is');
    const unfit = this.hosts.unfit(client.target, answer);
    if (unfit !== undefined) {
      this.hosts.failed(client.target, unfit);
      throw unfit;
    }
    // A pooler makes up the process id that it tells its clients.
    const pooled = client.backend !== answer.pid;
    if (!pooled) await client.query(keepAlive);
    this.opened.set(client, { generation: this.generation, pooled });
  }
}

/** A connection to whatever server is the current one when it is made. */
class HostClient extends pg.Client {
  readonly target: DatabaseTarget;
  private readonly hosts: DatabaseHosts;
  private readonly problem: unknown;
  /** What the other side has told of itself; declared here since the types do not know it. */
  declare readonly processID: unknown;

  constructor(hosts: DatabaseHosts, options: pg.ClientConfig) {
    const target = hosts.current;
    let targetOptions: TargetOptions = {};
    let problem: unknown;
    try {
      targetOptions = hosts.optionsOf(target);
    } catch (error) {
      // The pool takes no error from a constructor.
      problem = error;
    }
    super({ ...options, ...targetOptions });
    this.hosts = hosts;
    this.target = target;
    this.problem = problem;
  }

  get backend(): unknown {
    return this.processID;
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: (error: Error | null) => void): void;
  override connect(callback?: (error: Error | null) => void): unknown {
    if (callback === undefined) throw new TypeError('this connection is for a pool');
    const { problem } = this;
    if (problem !== undefined) {
      process.nextTick(callback, problem);
      return undefined;
    }
    return super.connect((error: Error | null) => {
      if (error) this.hosts.failed(this.target, error);
      callback(error);
    });
  }
}
