import pg from 'pg';
import {
  type DatabaseAddress,
  DatabaseHosts,
  type SessionAnswer,
  sessionQuestion,
} from '../../core/config/database-hosts.ts';
import type { WorkerSettings } from '../settings.ts';
import { isForgottenStatement } from './connection-state.ts';
import { HostClient } from './host-client.ts';
import { beginText, openingBytes, openingNames, settingsText } from './opening.ts';

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
  /** Whether it has prepared the statements of an opening. */
  readonly isPrepared: boolean;
}

/** What differs between transactions. An undefined time takes the configured value, in milliseconds. */
export interface TransactionLimits {
  readonly lockTimeout: number | undefined;
  readonly statementTimeout: number | undefined;
  /** Of the trace that the transaction belongs to; undefined if tracing is off. */
  readonly traceId: string | undefined;
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
  private readonly opened = new WeakMap<pg.ClientBase, Opened>();
  private lastOpening: { readonly name: string; readonly bytes: Uint8Array } | undefined;
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

  /** The statements that begin a transaction, as one query. */
  begin({ traceId, ...limits }: TransactionLimits): string {
    const settings = Object.entries(this.settingsOf(limits));
    // A comment in the statements would make each of them another statement, and none would be prepared.
    if (traceId !== undefined)
      settings.push(['application_name', showing(this.settings.applicationName, traceId)]);
    return [
      beginText,
      ...settings.map(([name, value]) => `SET LOCAL ${name} = ${pg.escapeLiteral(value)}`),
    ].join('; ');
  }

  /** The same as messages that go before the first statement; undefined if that is not possible. */
  opening(client: pg.ClientBase, { traceId, ...limits }: TransactionLimits): Uint8Array | undefined {
    if (this.opened.get(client)?.isPrepared !== true || traceId !== undefined) return undefined;
    const { lockTimeout, statementTimeout } = limits;
    const name = `${lockTimeout} ${statementTimeout}`;
    // All batches have the same limits.
    if (this.lastOpening?.name !== name)
      this.lastOpening = { name, bytes: openingBytes(Object.values(this.settingsOf(limits))) };
    return this.lastOpening.bytes;
  }

  /**
   * The settings of a transaction. They are local to it, so that nothing stays on a pooler's connection. They override the settings of a role,
   * a database or a URL. The names are the same for all transactions.
   */
  private settingsOf({
    lockTimeout,
    statementTimeout,
  }: Omit<TransactionLimits, 'traceId'>): Record<string, string> {
    const { settings } = this;
    return {
      statement_timeout: String(Math.ceil(statementTimeout ?? settings.statementTimeout)),
      lock_timeout: String(Math.ceil(lockTimeout ?? settings.lockTimeout)),
      idle_in_transaction_session_timeout: String(settings.idleInTransactionTimeout),
      synchronous_commit: settings.synchronousCommit,
      // Otherwise a role that sees errors only would not learn that the wait for a standby was cancelled.
      client_min_messages: 'warning',
      ...(settings.publishTransitions !== '' && { 'conductor.publish': settings.publishTransitions }),
    };
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
    const isPrepared = !pooled && this.settings.preparedStatements;
    if (!pooled) await client.query(keepAlive);
    if (isPrepared) await this.prepareOpening(client);
    this.opened.set(client, { generation: this.generation, pooled, isPrepared });
  }

  private async prepareOpening(client: pg.ClientBase): Promise<void> {
    const settings = this.settingsOf({ lockTimeout: undefined, statementTimeout: undefined });
    await client.query({ name: openingNames.begin, text: beginText });
    const text = settingsText(Object.keys(settings));
    await client.query({ name: openingNames.settings, text, values: Object.values(settings) });
    await client.query('ROLLBACK');
  }
}

/** Characters of the longest name of an application (NAMEDATALEN of Postgres). */
const longestName = 63;

/** The name that shows a trace in `pg_stat_activity` and in the server's log lines. A long name is cut, not the id. */
function showing(applicationName: string, traceId: string): string {
  // Postgres writes other characters as several.
  const name = applicationName.replace(/[^ -~]/g, '?').slice(0, longestName - traceId.length - 1);
  return `${name} ${traceId}`;
}
