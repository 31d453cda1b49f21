import pg from 'pg';
import type { DatabaseHosts, DatabaseTarget, TargetOptions } from '../../core/config/database-hosts.ts';

/** A connection to the server that is current when the connection is made. */
export class HostClient extends pg.Client {
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
