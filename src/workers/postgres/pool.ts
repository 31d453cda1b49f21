import pg from 'pg';
import {
  type DatabaseAddress,
  DatabaseHosts,
  type DatabaseTarget,
  type SessionAnswer,
  sessionQuestion,
  type TargetOptions,
} from '../../core/config/database-hosts.ts';
import type { WorkerSettings } from '../settings.ts';
import { isForgottenStatement } from './connection-state.ts';

/**
 * Set on direct connections only, since a pooler would pass the settings on to other clients. The server notices after half a minute
 * that a replica has vanished, and drops the data that it still has to send.
 */
const keepAlive = `SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4;
  SET tcp_user_timeout = 30000`;

/** Properties of an open connection. */
interface Opened {
  /** The pool's generation in which the connection was opened. */
  readonly generation: number;
  /** Whether a pooler is between the connection and Postgres. */
  readonly pooled: boolean;
}

/** The servers that new connections lead to. */
interface Leading {
  hosts: DatabaseHosts;
}

/** A worker thread's connections to Postgres. */
export class DatabasePool extends pg.Pool {
  private readonly settings: WorkerSettings['database'];
  private readonly leadsTo: Leading;
  private readonly warn: (line: string) => void;
  private readonly ordinaryBegin: string;
  private readonly opened = new WeakMap<pg.ClientBase, Opened>();
  private generation = 0;
  private named = true;

  /** @param warn takes a line for the operator. */
  constructor({ database, concurrency, calls }: WorkerSettings, warn: (line: string) => void) {
    const leadsTo: Leading = { hosts: new DatabaseHosts(database) };
    const clientOptions = {
      connectionTimeoutMillis: database.connectTimeout,
      // Otherwise a server that vanishes silently would leave the batch waiting for ever.
      query_timeout: Math.max(database.statementTimeout, calls.timeout) + 5000,
      keepAlive: true,
      application_name: database.applicationName,
    };
    super({
      Client: class extends HostClient {
        constructor() {
          super(leadsTo.hosts, clientOptions);
        }
      },
      onConnect: (client) => this.greet(client),
      max: concurrency + calls.concurrency,
      connectionTimeoutMillis: database.connectTimeout,
      idleTimeoutMillis: 0,
    });
    this.settings = database;
    this.leadsTo = leadsTo;
    this.warn = warn;
    this.ordinaryBegin = this.beginWith(database.lockTimeout, database.statementTimeout);
    // The next use replaces an idle connection that breaks. Without a listener the error would end the thread.
    this.on('error', () => {});
  }

  /** Takes other credentials. No connection that was opened with the old ones is used again. */
  renew(address: DatabaseAddress): void {
    this.leadsTo.hosts = new DatabaseHosts(address);
    this.generation += 1;
  }

  private get hosts(): DatabaseHosts {
    return this.leadsTo.hosts;
  }

  /** Takes a connection, to be given back with `release`. It is of the current generation, to a server that is fit. */
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
   * The statements that begin a transaction, sent as one query. They are local to the transaction, so that nothing stays on a pooler's
   * connection. They override the settings of a role, a database or a URL.
   *
   * @param traceId of the trace that the transaction belongs to; undefined if tracing is off.
   */
  begin(lockTimeout: number | undefined, statementTimeout: number | undefined, traceId?: string): string {
    const { settings } = this;
    const begin =
      lockTimeout === undefined && statementTimeout === undefined
        ? this.ordinaryBegin
        : this.beginWith(lockTimeout ?? settings.lockTimeout, statementTimeout ?? settings.statementTimeout);
    // A comment in the statements would make each of them another statement, and none would be prepared.
    return traceId === undefined ? begin : `${begin}; ${showing(settings.applicationName, traceId)}`;
  }

  private beginWith(lockTimeout: number, statementTimeout: number): string {
    const { idleInTransactionTimeout, synchronousCommit, publishTransitions } = this.settings;
    const publishing =
      publishTransitions === ''
        ? []
        : [`SET LOCAL conductor.publish = ${pg.escapeLiteral(publishTransitions)}`];
    return [
      'BEGIN ISOLATION LEVEL READ COMMITTED',
      `SET LOCAL statement_timeout = ${Math.ceil(statementTimeout)}`,
      `SET LOCAL lock_timeout = ${Math.ceil(lockTimeout)}`,
      `SET LOCAL idle_in_transaction_session_timeout = ${idleInTransactionTimeout}`,
      `SET LOCAL synchronous_commit = ${synchronousCommit}`,
      // Otherwise a role that sees errors only would not learn that the wait for a standby was cancelled.
      'SET LOCAL client_min_messages = warning',
      ...publishing,
    ].join('; ');
  }

  /** Whether statements may be prepared under a name. */
  get hasNames(): boolean {
    return this.named;
  }

  /**
   * The state of this connection is out of date, and that of all connections opened before now may be. None of them is used again. The
   * caller must release this connection as broken.
   */
  outdated(client: pg.PoolClient, error: unknown): void {
    const opened = this.opened.get(client);
    if (opened === undefined || opened.generation !== this.generation) return;
    this.generation += 1;
    if (!this.named || !opened.pooled || !isForgottenStatement(error)) return;
    this.named = false;
    this.warn(
      'the pooler in front of Postgres does not keep prepared statements: statements are no longer prepared; set database.preparedStatements: false',
    );
  }

  /** Asks a new connection which server it leads to. Rejects if the server is not fit. */
  private async greet(client: pg.ClientBase): Promise<void> {
    if (!(client instanceof HostClient)) throw new TypeError('a connection of another kind');
    const { rows } = await client.query<SessionAnswer>(sessionQuestion);
    const [answer] = rows;
    if (answer === undefined) throw new Error('Postgres does not report its version');
    const unfit = this.hosts.unfit(client.target, answer);
    if (unfit !== undefined) {
      this.hosts.failed(client.target, unfit);
      throw unfit;
    }
    // A pooler invents the process id that it tells its clients.
    const pooled = client.backend !== answer.pid;
    if (!pooled) await client.query(keepAlive);
    this.opened.set(client, { generation: this.generation, pooled });
  }
}

/** Characters of the longest name of an application (NAMEDATALEN of Postgres). */
const longestName = 63;

/** The statement that shows a trace in `pg_stat_activity` and in the server's log lines, for the transaction. A long name is cut, not the id. */
function showing(applicationName: string, traceId: string): string {
  // Postgres writes other characters as several.
  const name = applicationName.replace(/[^ -~]/g, '?').slice(0, longestName - traceId.length - 1);
  return `SET LOCAL application_name = ${pg.escapeLiteral(`${name} ${traceId}`)}`;
}

/** A connection to the server that is current when the connection is made. */
class HostClient extends pg.Client {
  readonly target: DatabaseTarget;
  private readonly hosts: DatabaseHosts;
  private readonly problem: unknown;
  /** The process id that the other side gave. Declared here, since the types of pg lack it. */
  declare readonly processID: unknown;

  constructor(hosts: DatabaseHosts, options: pg.ClientConfig) {
    const target = hosts.current;
    let targetOptions: TargetOptions = {};
    let problem: unknown;
    try {
      targetOptions = hosts.optionsOf(target);
    } catch (error) {
      // The pool does not catch errors of a constructor.
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
