/** A replica of a round: a process with a proxy of its own to the broker and one to Postgres. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ConductorProcess, spawnConductor } from '../../support/conductor.ts';
import { freePort } from '../../support/ports.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait.ts';
import { grants } from './calling.ts';
import { noticeTopic } from './listening.ts';
import { type Network, startProxies } from './proxies.ts';
import type { Cleanup, RoundBroker } from './world.ts';

const fatalMethod = fileURLToPath(new URL('fatal-method.ts', import.meta.url));
const outcomes = ['applied', 'stale', 'duplicate', 'deferred', 'dead', 'answered', 'refused', 'expired'];

export interface ReplicaOptions {
  readonly name: string;
  readonly broker: RoundBroker;
  readonly database: { readonly url: string; readonly ports: ReadonlyArray<number> };
  /** Told of what must not happen. */
  readonly problem: (text: string) => void;
  /** Keeps the log of a life that has ended. */
  readonly keepLog: (name: string, text: string) => void;
  /** Keys of the configuration, over those of all replicas. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Of its environment. */
  readonly variables?: Readonly<Record<string, string>>;
}

export class Replica {
  readonly name: string;
  readonly toBroker: Network;
  readonly toDatabase: Network;
  readonly #options: ReplicaOptions;
  readonly #adminPort: number;
  readonly #cleanup: Cleanup;
  #process: ConductorProcess | undefined;
  #lives = 0;
  /** What the lives that ended in good order have received. */
  received = 0;
  redelivered = 0;

  private constructor(
    options: ReplicaOptions,
    cleanup: Cleanup,
    { toBroker, toDatabase, adminPort }: { toBroker: Network; toDatabase: Network; adminPort: number },
  ) {
    this.name = options.name;
    this.#options = options;
    this.#cleanup = cleanup;
    this.toBroker = toBroker;
    this.toDatabase = toDatabase;
    this.#adminPort = adminPort;
  }

  /** Starts it; resolves once it consumes. */
  static async create(options: ReplicaOptions, cleanup: Cleanup): Promise<Replica> {
    const [toBroker, toDatabase] = await Promise.all([
      startProxies(options.broker.ports),
      startProxies(options.database.ports),
    ]);
    cleanup.teardown(() => Promise.all([toBroker.stop(), toDatabase.stop()]));
    const replica = new Replica(options, cleanup, { toBroker, toDatabase, adminPort: await freePort() });
    replica.start();
    await replica.consumes();
    return replica;
  }

  start(): void {
    const { name, broker, database, settings = {}, variables = {} } = this.#options;
    this.#lives += 1;
    const folder = temporaryDirectory(name);
    const life = spawnConductor(this.#cleanup, {
      folder,
      database: this.toDatabase.url(database.url),
      transports: { guests: { ...broker.entry(name, this.toBroker.url), connectTimeout: 2000 } },
      settings: {
        replica: name,
        admin: { port: this.#adminPort },
        manager: `./${relative(folder, fatalMethod)}`,
        workers: { threads: 1 },
        ...grants,
        notifications: { topic: noticeTopic },
        shutdown: { deadline: 10_000 },
        log: { level: 'debug' },
        // Each poison is looked for.
        deadLetters: { perSender: 1_000_000 },
        ...settings,
      },
      variables,
    });
    this.#process = life;
    const label = `${name}.${this.#lives}`;
    void life.exited.then(({ code, signal }) => {
      this.#options.keepLog(label, life.output());
      if (this.#process === life)
        this.#options.problem(`replica ${label} ended by itself: code ${code}, signal ${signal}`);
    });
  }

  /** Of the present life. */
  get pid(): number {
    return this.#running().pid;
  }

  /** Resolves once it has begun to consume, in this life and not before the time, in milliseconds since the epoch. */
  async consumes(since = 0): Promise<void> {
    const process = this.#running();
    const hasBegun = () =>
      process.log.lines('consuming').some(({ time }) => Date.parse(String(time)) >= since);
    await waitFor(hasBegun, { what: `replica ${this.name} to consume`, timeout: 90_000, process });
  }

  /** Resolves once it has logged such a line with such a reason, not before the time, in milliseconds since the epoch. */
  async says(message: RegExp, because: RegExp, since: number): Promise<void> {
    const process = this.#running();
    const hasSaid = () =>
      process.log
        .all()
        .some(
          (line) =>
            message.test(line.msg) &&
            because.test(JSON.stringify(line)) &&
            Date.parse(String(line.time)) >= since,
        );
    await waitFor(hasSaid, { what: `replica ${this.name} to log ${message}`, timeout: 90_000, process });
  }

  signal(name: NodeJS.Signals): void {
    this.#running().signal(name);
  }

  async kill(): Promise<void> {
    const life = this.#take();
    await life.kill();
  }

  /** In good order, and the account of it has to come out even. */
  async stop(): Promise<void> {
    const life = this.#take();
    life.signal('SIGTERM');
    const label = `${this.name}.${this.#lives}`;
    const { code, signal } = await Promise.race([life.exited, late(30_000)]);
    if (code !== 0) {
      await life.kill();
      this.#options.problem(`replica ${label} did not stop in good order: code ${code}, signal ${signal}`);
      return;
    }
    const account = life.log.lines('stopped')[0];
    if (account === undefined) return this.#options.problem(`replica ${label} stopped without an account`);
    const numberOf = (key: string) => Number(account[key] ?? 0);
    const sum = outcomes.reduce((total, kind) => total + numberOf(kind), numberOf('released'));
    if (sum !== numberOf('received'))
      this.#options.problem(
        `replica ${label}: ${numberOf('received') - sum} unexplained: ${JSON.stringify(account)}`,
      );
    this.received += numberOf('received');
    this.redelivered += numberOf('redelivered');
  }

  /** What it has received and still holds, if it answers; an account that does not come out even is a problem. */
  async audit(): Promise<{ readonly received: number; readonly held: number } | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.#adminPort}/health`, {
      signal: AbortSignal.timeout(1000),
    }).catch(() => undefined);
    const health: unknown = await response?.json().catch(() => undefined);
    const guests = valueAt(valueAt(health, 'transports'), 'guests');
    if (guests === undefined) return undefined;
    const numberOf = (holder: unknown, key: string) => Number(valueAt(holder, key) ?? 0);
    const sum = outcomes.reduce((total, kind) => total + numberOf(valueAt(guests, 'outcomes'), kind), 0);
    const [received, held] = [numberOf(guests, 'received'), numberOf(guests, 'held')];
    const unexplained = received - numberOf(guests, 'released') - held - sum;
    if (unexplained !== 0)
      this.#options.problem(`replica ${this.name}: ${unexplained} unexplained: ${JSON.stringify(guests)}`);
    return { received, held };
  }

  /** The present life, whose end is expected from now on. */
  #take(): ConductorProcess {
    const life = this.#running();
    this.#process = undefined;
    return life;
  }

  #running(): ConductorProcess {
    if (this.#process === undefined) throw new Error(`replica ${this.name} does not run`);
    return this.#process;
  }
}

async function late(milliseconds: number): Promise<{ code: number | null; signal: string }> {
  return new Promise((resolve) => {
    setTimeout(() => resolve({ code: null, signal: `none within ${milliseconds} ms` }), milliseconds).unref();
  });
}

function valueAt(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? Reflect.get(holder, name) : undefined;
}
