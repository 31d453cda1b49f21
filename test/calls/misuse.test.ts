import test from 'ava';
import { applied, type CallResult } from '../../src/core/message/outcome.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import type { CallMethod } from '../../src/workers/methods/contract.ts';
import { loadedFrom } from '../../src/workers/methods/load.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import { makeReadOnly } from '../faults/databases.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { apply, heartbeat, insertInstances, native, openContext } from '../support/worker.ts';
import { answerOf } from './support.ts';

/** What a deployer's own method does wrong its caller is told; nobody else notices. */

type Run = CallMethod['run'];

/** A context whose one connection every call and every batch shares, with the method as a deployer's own. */
function contextWith(
  t: { teardown(end: () => Promise<void>): void },
  database: TestDatabase,
  run: Run,
  mutating = false,
): ThreadState {
  const own = openContext(t, database, { concurrency: 0 });
  const misuse = { allowed: 'anyone', mutating, parse: () => ({}), run };
  return { ...own, manager: loadedFrom({ misuse, other }, 'test') };
}

/** Uses a name that another method uses as well. */
const other: CallMethod = {
  allowed: 'anyone',
  mutating: false,
  parse: (args) => args,
  run: (db) => db.query('shared', 'SELECT 1 AS one', []),
};

function call(context: ThreadState, method: string, losses = 0): Promise<CallResult> {
  const raw = native(method, {}, { messageId: `m-${Math.random()}`, isCall: true });
  return runCall({ state: context, raw, transport: 'plain', timeout: 5000, losses });
}

const circular: Record<string, unknown> = {};
circular.self = circular;

const misuses: Readonly<Record<string, { run: Run; message: RegExp }>> = {
  'goes on after a statement that has failed': {
    run: async (db) => {
      await db.query('', 'SELECT 1 / 0', []).catch(() => {});
      return db.query('', 'SELECT 1', []);
    },
    message: /current transaction is aborted/,
  },
  'answers after a statement that has failed': {
    run: async (db) => {
      await db.query('', 'SELECT 1 / 0', []).catch(() => {});
      return 'all is well';
    },
    message: /current transaction is aborted/,
  },
  'passes too few values': {
    run: (db) => db.query('few', 'SELECT $1::text, $2::text', ['a']),
    message: /bind message supplies 1 parameters/,
  },
  'passes too many values': {
    run: (db) => db.query('many', 'SELECT $1::text', ['a', 'b']),
    message: /bind message supplies 2 parameters/,
  },
  'passes too many values to a statement without a name': {
    run: (db) => db.query('', 'SELECT 1', ['a']),
    message: /bind message supplies 1 parameters/,
  },
  'uses one name for two statements': {
    run: async (db) => {
      await db.query('twice', 'SELECT 1', []);
      return db.query('twice', 'SELECT 2', []);
    },
    message: /Prepared statements must be unique/,
  },
  'passes a value that cannot be sent': {
    run: (db) => db.query('', 'SELECT $1::jsonb', [circular]),
    message: /circular/,
  },
  'names a table that is not there': {
    run: (db) => db.query('', 'SELECT * FROM no_such_table', []),
    message: /no_such_table/,
  },
  'writes nonsense': { run: (db) => db.query('', 'SELEKT', []), message: /syntax error/ },
  'changes the isolation too late': {
    run: async (db) => {
      await db.query('', 'SELECT 1', []);
      return db.query('', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', []);
    },
    message: /must be called before any query/,
  },
  'writes in a transaction that it has made read-only': {
    run: async (db) => {
      await db.query('', 'SET TRANSACTION READ ONLY', []);
      return db.query('', 'DELETE FROM instances', []);
    },
    message: /read-only transaction/,
  },
  'prepares a statement by hand, twice': {
    run: async (db) => {
      await db.query('', 'PREPARE by_hand AS SELECT 1', []);
      return db.query('', 'PREPARE by_hand AS SELECT 1', []);
    },
    message: /already exists/,
  },
  'executes a statement that nobody has prepared': {
    run: (db) => db.query('', 'EXECUTE nobody', []),
    message: /does not exist/,
  },
  'asks a foreign server that is not there': {
    run: (db) => db.query('', raise('08001', 'could not connect to server'), []),
    message: /could not connect to server/,
  },
  'calls an extension that fails without a code of its own': {
    run: (db) => db.query('', raise('XX000', 'invalid geometry'), []),
    message: /invalid geometry/,
  },
  'reads a file that is not there': {
    // The role of a replica may read no files. This is the code of the error for a role that may.
    run: (db) => db.query('', raise('58P01', 'could not open file: no such file'), []),
    message: /no such file/,
  },
  'takes more room on disk than it may': {
    run: (db) => db.query('', raise('53400', 'temporary file size exceeds temp_file_limit'), []),
    message: /temp_file_limit/,
  },
  'throws an error': { run: () => Promise.reject(new Error('no such luck')), message: /no such luck/ },
  'throws at once': {
    run: () => {
      throw new TypeError('x is not a function');
    },
    message: /x is not a function/,
  },
  'throws nothing': { run: () => Promise.reject(undefined), message: /undefined/ },
  'answers with a number that JSON has not': { run: async () => 10n, message: /BigInt/ },
  'answers with what contains itself': { run: async () => circular, message: /circular/ },
};

function raise(code: string, message: string): string {
  return `DO $$ BEGIN RAISE EXCEPTION '${message}' USING ERRCODE = '${code}'; END $$`;
}

for (const [what, { run, message }] of Object.entries(misuses)) {
  needs(test, 'postgres')(
    `a method that ${what} gets its caller an error, mutating or not, and harms nobody else`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      await insertInstances(database, 'i-1');
      for (const mutating of [false, true]) {
        const context = contextWith(t, database, run, mutating);
        // Once more: it may have left something on the connection.
        for (const _ of [1, 2]) {
          const result = await call(context, 'misuse');
          t.is(result.outcome, 'refused', result.heldBecause);
          const { error } = answerOf(result);
          t.is(error?.class, 'InternalError');
          t.regex(error?.message ?? '', message);
          t.regex(result.problem ?? '', message);
        }
        t.deepEqual(answerOf(await call(context, 'other')).result, [{ one: 1 }]);
        t.deepEqual(await apply(context, [heartbeat('i-1', mutating ? 2 : 1, 'running')]), ['applied']);
      }
    },
  );
}

needs(test, 'postgres')(
  'two methods, or a method and our own code, may use one name for two statements',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const run: Run = async (db) => {
      const [ours] = await db.query('claim_call', 'SELECT 3 AS three', []);
      const [shared] = await db.query('shared', 'SELECT 2 AS two', []);
      const [long] = await db.query('n'.repeat(63), 'SELECT 4 AS four', []);
      const [longer] = await db.query(`${'n'.repeat(63)}o`, 'SELECT 5 AS five', []);
      return { ...ours, ...shared, ...long, ...longer };
    };
    const context = contextWith(t, database, run, true);
    for (const _ of [1, 2]) {
      t.deepEqual(answerOf(await call(context, 'misuse')).result, { three: 3, two: 2, four: 4, five: 5 });
      t.deepEqual(answerOf(await call(context, 'other')).result, [{ one: 1 }]);
    }
  },
);

needs(test, 'postgres')('a method that has ended cannot use its connection', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  let kept: Parameters<Run>[0] | undefined;
  const keep = (db: Parameters<Run>[0]) => {
    kept = db;
  };
  const context = contextWith(t, database, async (db) => keep(db));
  t.is((await call(context, 'misuse')).outcome, 'answered');
  await t.throwsAsync(async () => kept?.query('', 'SELECT 1', []), { message: /the method has ended/ });
});

const endings: Readonly<Record<string, (database: TestDatabase) => Run>> = {
  'ends its own connection': () => (db) => db.query('', 'SELECT pg_terminate_backend(pg_backend_pid())', []),
  'stays idle for longer than Postgres allows': (database) => async (db) => {
    const [own] = await db.query<{ pid: number }>('', 'SELECT pg_backend_pid() AS pid', []);
    await db.query('', "SET LOCAL idle_in_transaction_session_timeout = '50ms'", []);
    const find = `SELECT FROM pg_stat_activity WHERE pid = ${own?.pid}`;
    await waitFor(async () => (await database.query(find)).length === 0, { what: 'Postgres to end it' });
    return db.query('', 'SELECT 1', []);
  },
};

for (const [what, runOn] of Object.entries(endings)) {
  needs(test, 'postgres')(
    `a method that ${what} is run three times, then its caller gets an error`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      const context = contextWith(t, database, runOn(database));
      for (const losses of [0, 1])
        t.like(await call(context, 'misuse', losses), { outcome: undefined, lost: true });
      const last = await call(context, 'misuse', 2);
      t.is(answerOf(last).error?.class, 'InternalError');
      t.regex(answerOf(last).error?.message ?? '', /lost its connection .* 3 times/);
    },
  );
}

needs(test, 'postgres')(
  'a call is held while the server cannot write, and no retry refuses it',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const context = contextWith(t, database, (db) => db.query('', 'DELETE FROM instances', []));
    await makeReadOnly(database);
    for (const losses of [0, 5]) t.like(await call(context, 'misuse', losses), { outcome: undefined });
  },
);

test('a call is held while there is no server, and no retry refuses it', async (t) => {
  const database = { url: 'postgresql://nobody@127.0.0.1:1/none', query: async () => [] };
  const context = contextWith(t, database, async () => applied, true);
  for (const losses of [0, 5]) {
    const result = await call(context, 'misuse', losses);
    t.is(result.outcome, undefined);
    t.falsy(result.lost);
  }
});

test('the replica has our own methods if the deployer names none', (t) => {
  t.deepEqual(Object.keys(loadedFrom({ other }, 'test')), [...Object.keys(createManager()), 'other']);
});
