import { type Db, PgBoss } from 'pg-boss';
import { codeOf, messageOf } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import type { BossDatabase, Job, JobDb } from './contract.ts';

/** The right to one round of a job. */
export interface Claim {
  readonly id: string;
  /** Tells this claim from a later one of the same round, after this one was lost. */
  readonly retryCount: number;
}

/** Seconds without a sign of life after which a round counts as lost. pg-boss takes no less. */
const heartbeatSeconds = 10;
/** Milliseconds between two signs of life of a round. */
export const heartbeatInterval = 3000;
/** Seconds that a round may take. After that another replica repeats it, so that no replica can hang with a job. */
const roundSeconds = 900;
/** Seconds between two looks for lost rounds, of all replicas together. */
const monitorIntervalSeconds = 5;

/**
 * One life of pg-boss: it begins with `open` and ends with `close` or the first error. `Jobs` then makes a new one.
 *
 * Each job has a queue with one row: the next round. The replica that fetches the row when it is due runs the round, deletes the row and
 * inserts the next one. Nothing else is kept, and pg-boss's own loops are off, so that an idle fleet costs Postgres little.
 */
export class Boss {
  private readonly boss: PgBoss;
  private readonly database: BossDatabase;

  private constructor(boss: PgBoss, database: BossDatabase) {
    this.boss = boss;
    this.database = database;
  }

  /** Starts pg-boss and makes the queues that are missing. Rejects if that fails; then nothing is left open. */
  static async open(
    database: BossDatabase,
    schema: string,
    jobs: ReadonlyArray<Job>,
    onError: (error: unknown) => void,
  ): Promise<Boss> {
    const boss = new PgBoss({
      db: databaseOf(database),
      schema,
      migrate: false,
      schedule: false,
      supervise: false,
      registerInstance: false,
      monitorIntervalSeconds,
      reindex: false,
      monitorVacuum: false,
      openTelemetry: { enabled: false },
    });
    // Without a listener an error would end the process.
    boss.on('error', onError);
    try {
      if (!(await boss.isInstalled()))
        throw new Error(`the jobs' schema ${schema} is missing: run conductor migrate`);
      await boss.start();
      for (const { name } of jobs) {
        await boss.createQueue(queueOf(name), {
          // One row a state: at most one round runs, and at most one waits.
          policy: 'stately',
          heartbeatSeconds,
          expireInSeconds: roundSeconds,
          retryLimit: 1_000_000,
        });
      }
    } catch (error) {
      await stop(boss);
      throw explained(error, schema);
    }
    return new Boss(boss, database);
  }

  /** Claims the next round, if it is due and no other replica has it. */
  async claim({ name }: Job): Promise<Claim | undefined> {
    const [claimed] = await this.boss.fetch(queueOf(name));
    return claimed && { id: claimed.id, retryCount: claimed.retryCount };
  }

  /** Gives a sign of life of a round. Resolves with whether the claim still holds. */
  async touch({ name }: Job, claim: Claim): Promise<boolean> {
    const response: unknown = await this.boss.touch(queueOf(name), { ...claim });
    // Its type says nothing of `affected`.
    return !(isObject(response) && response.affected === 0);
  }

  /**
   * Ends a round, and makes the next one.
   *
   * @param delay milliseconds until the next round is due.
   * @param succeededAt when a round of this job last succeeded, for the other replicas.
   */
  async finish({ name }: Job, claim: Claim, delay: number, succeededAt: number | undefined): Promise<void> {
    const queue = queueOf(name);
    await this.database.transaction(async (db) => {
      const options = { db: executorOf(db) };
      await asynchronous(db);
      await this.boss.deleteJob(queue, { ...claim }, options);
      // Does nothing if a round waits already.
      await this.boss.send(queue, { succeededAt }, { ...options, startAfter: delay / 1000 });
    });
  }

  /**
   * Looks after a job that this replica has not run for long: frees a round whose replica is lost, and makes the next round if there is
   * none. Resolves with the time of the last success that the other replicas know of.
   */
  async lookAfter({ name }: Job): Promise<number | undefined> {
    const queue = queueOf(name);
    const rows = await this.boss.findJobs<unknown>(queue, { limit: 10 });
    if (rows.length === 0) await this.boss.send(queue, {}, {});
    else await this.boss.supervise(queue);
    const times = rows.flatMap(({ data }) =>
      isObject(data) && typeof data.succeededAt === 'number' ? [data.succeededAt] : [],
    );
    return times.length === 0 ? undefined : Math.max(...times);
  }

  /** Ends pg-boss. Never rejects. The connections stay. */
  close(): Promise<void> {
    return stop(this.boss);
  }
}

async function stop(boss: PgBoss): Promise<void> {
  try {
    await boss.stop({ graceful: false, close: false });
  } catch {
    // It only says that the database is away, and the next start says so too.
  }
}

/** A queue's name has only letters, digits and `_ - . /`. A transport's name may have others. */
function queueOf(name: string): string {
  return name.replaceAll(/[^\w/-]/gu, (character) => `.${character.codePointAt(0)?.toString(16)}.`);
}

function databaseOf(database: BossDatabase): Db {
  return {
    executeSql: async (text, values) =>
      /^\s*BEGIN\b/.test(text)
        ? { rows: await database.script(text) }
        : database.transaction(async (db) => {
            await asynchronous(db);
            return executorOf(db).executeSql(text, values);
          }),
  };
}

function executorOf(db: JobDb): Db {
  return { executeSql: async (text, values = []) => ({ rows: await db.query('', text, values) }) };
}

/** The loss of a row of pg-boss by a crash of Postgres does no harm, so no commit about it waits for the disk. */
async function asynchronous(db: JobDb): Promise<void> {
  await db.query('', 'SET LOCAL synchronous_commit = off', []);
}

/** The next step for the operator, by SQLSTATE. */
const advice: Readonly<Record<string, string>> = {
  '3F000': 'run conductor migrate',
  '42P01': 'run conductor migrate',
  '42703': 'run conductor migrate',
  '42704': 'run conductor migrate',
  '42883': 'run conductor migrate',
  '42501':
    'grant the database user USAGE on the schema, and SELECT, INSERT, UPDATE and DELETE on all its tables',
};

/** The same error, with the next step if there is one. */
export function explained(error: unknown, schema: string): unknown {
  const text = messageOf(error);
  if (text === 'pg-boss database requires migrations')
    return new Error(
      `the jobs' schema ${schema} is of another version of pg-boss: run conductor migrate, or run the release that migrated it`,
      { cause: error },
    );
  const step = advice[codeOf(error) ?? ''];
  return step === undefined
    ? error
    : new Error(`the jobs' schema ${schema}: ${text}: ${step}`, { cause: error });
}
