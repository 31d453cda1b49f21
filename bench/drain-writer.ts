import pg from 'pg';
import { upsertStatuses } from '../src/workers/methods/heartbeat/upsert-statuses.ts';
import { statuses } from '../src/workers/methods/statuses.ts';
import type { Db } from '../src/workers/postgres/transaction.ts';
import { heartbeats } from './brokers/heartbeats.ts';
import { readTask, report, Stopwatch } from './child.ts';
import type { DrainTask } from './drain.ts';

/**
 * Writes the rows of the conductor and nothing else. The same statement writes them, in batches of the default size. The arrays are packed
 * before the clock starts. There is no decoding, no other thread and no transaction around the statement, which commits itself.
 */

/** The default of `workers.maxBatch`. */
const batchSize = 1000;

interface Statement {
  /** Undefined: not prepared. */
  readonly name: string | undefined;
  readonly text: string;
  readonly values: unknown[];
}

/** The statements that write so many heartbeats. Of several about one instance in a batch only the last one is a row. */
async function statementsOf({ messages, instances, isPrepared = true }: DrainTask): Promise<Statement[]> {
  const statements: Statement[] = [];
  const keep: Db = {
    query: (name, text, values) => {
      statements.push({ name: isPrepared ? name : undefined, text, values: [...values] });
      return Promise.resolve([]);
    },
  };
  let batch = new Map<string, Parameters<typeof upsertStatuses>[1][number]>();
  let size = 0;
  const flush = async () => {
    await upsertStatuses(keep, [...batch.values()]);
    batch = new Map();
    size = 0;
  };
  for (const { instanceId, sent, status: word } of heartbeats(messages, instances)) {
    const status = statuses.get(word);
    const of = { instanceId, key: instanceId, guard: sent, status };
    const first = batch.get(instanceId)?.first ?? sent;
    batch.set(instanceId, { of, first, guard: sent, state: status });
    size += 1;
    if (size === batchSize) await flush();
  }
  if (size > 0) await flush();
  return statements;
}

const task = readTask();
const statements = await statementsOf(task);
const client = new pg.Client({ connectionString: task.databaseUrl });
await client.connect();
const stopwatch = new Stopwatch(task);
stopwatch.tick(1, 0);
for (const statement of statements) {
  const { rows } = await client.query(statement);
  if (rows.length > 0) throw new Error(`${rows.length} rows were not applied: ${JSON.stringify(rows[0])}`);
}
stopwatch.tick(task.messages, task.messages);
await report(stopwatch, () => client.end());
