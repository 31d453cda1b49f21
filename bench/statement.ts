import pg from 'pg';
import { findPgbouncer, startPgbouncer } from '../test/support/pgbouncer.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { type DrainResult, type DrainTask, measure, prepareDatabase } from './drain.ts';

export interface StatementBenchOptions {
  readonly messages: number;
  readonly instances: number;
  readonly partitions: number;
  readonly rounds: number;
}

/** A way to the tables. */
interface Variant {
  readonly name: string;
  readonly url: string;
  readonly isPrepared: boolean;
  /** The process id of PgBouncer; undefined: it is not in between. */
  readonly pooler: number | undefined;
}

/**
 * The bare writer (drain-writer.ts) on several ways to the tables, in turns: batches of the conductor's statement, one after the other on one
 * connection. Postgres commits to disk.
 */
export async function benchStatement(
  options: StatementBenchOptions,
  tell: (line: string) => void,
): Promise<void> {
  const postgres = await startPostgres({ settings: { fsync: 'on', max_wal_size: '4GB' } });
  const program = findPgbouncer();
  const pgbouncer = program === undefined ? undefined : await startPgbouncer({ program, postgres });
  if (pgbouncer === undefined) tell('PgBouncer is left out: it is not installed (apt-get install pgbouncer)');
  try {
    const plain = postgres.url();
    await prepareDatabase(plain, options.instances);
    const partitioned = await partitionedDatabase(postgres.url, options);
    const variants: Variant[] = [
      { name: 'one table', url: plain, isPrepared: true, pooler: undefined },
      { name: 'one table, not prepared', url: plain, isPrepared: false, pooler: undefined },
      ...(pgbouncer === undefined
        ? []
        : [
            {
              name: 'through PgBouncer',
              url: pgbouncer.url(plain),
              isPrepared: false,
              pooler: pgbouncer.pid,
            },
          ]),
      { name: `${options.partitions} partitions`, url: partitioned, isPrepared: true, pooler: undefined },
    ];
    const taskOf = ({ url, isPrepared, pooler }: Variant): DrainTask => ({
      // The bare writer has no broker. The place of its CPU is PgBouncer's.
      transport: 'nats',
      config: {},
      databaseUrl: url,
      messages: options.messages,
      instances: options.instances,
      prefetch: 0,
      settings: {},
      isPrepared,
      servers: { broker: pooler ?? process.pid, postgres: postgres.pid },
    });
    // Each row is updated once. The first update after an insert costs Postgres more than the later ones.
    for (const variant of variants)
      await measure('drain-writer.ts', { ...taskOf(variant), messages: options.instances });
    const results = variants.map((): DrainResult[] => []);
    for (let round = 1; round <= options.rounds; round += 1)
      for (const [index, variant] of variants.entries())
        results[index]?.push(await measure('drain-writer.ts', taskOf(variant)));
    tell(`${'way to the tables'.padEnd(26)}${heads.map((head) => head.padStart(16)).join('')}`);
    for (const [index, { name, pooler }] of variants.entries())
      tell(`${name.padEnd(26)}${cells(results[index] ?? [], pooler !== undefined)}`);
    tell(
      'CPU in µs a message. Medians of the rounds. One connection, one batch of 1,000 messages at a time.',
    );
  } finally {
    await pgbouncer?.stop();
    await postgres.stop();
  }
}

const heads = ['messages/s', 'writer CPU', 'Postgres CPU', 'PgBouncer CPU'];

function cells(rounds: ReadonlyArray<DrainResult>, isPooled: boolean): string {
  const median = (of: (result: DrainResult) => number) =>
    rounds.map(of).toSorted((a, b) => a - b)[Math.floor((rounds.length - 1) / 2)] ?? Number.NaN;
  return [
    median(({ messages, seconds }) => messages / seconds).toFixed(0),
    median(({ cpuMicroseconds, messages }) => cpuMicroseconds / messages).toFixed(2),
    median(({ postgres, messages }) => postgres / messages).toFixed(2),
    isPooled ? median(({ broker, messages }) => broker / messages).toFixed(2) : '-',
  ]
    .map((cell) => cell.padStart(16))
    .join('');
}

/**
 * A database whose table of statuses is partitioned by hash of the instance. It has the indexes and triggers of the migrations. Its primary key has
 * the instance too: Postgres wants the partition's column in each unique key.
 */
async function partitionedDatabase(
  urlOf: (database?: string) => string,
  { instances, partitions }: StatementBenchOptions,
): Promise<string> {
  const admin = new pg.Client({ connectionString: urlOf() });
  await admin.connect();
  await admin.query('CREATE DATABASE partitioned');
  await admin.end();
  const url = urlOf('partitioned');
  await prepareDatabase(url, instances);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows: triggers } = await client.query<{ definition: string }>(
    "SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgrelid = 'service_statuses'::regclass AND NOT tgisinternal",
  );
  await client.query(`
    ALTER TABLE service_statuses RENAME TO whole;
    CREATE TABLE service_statuses (LIKE whole INCLUDING DEFAULTS) PARTITION BY HASH (instance_id);
    CREATE UNIQUE INDEX ON service_statuses (instance_id);
    ALTER TABLE service_statuses ADD PRIMARY KEY (id, instance_id)`);
  for (let part = 0; part < partitions; part += 1)
    await client.query(
      `CREATE TABLE service_statuses_${part} PARTITION OF service_statuses FOR VALUES WITH (MODULUS ${partitions}, REMAINDER ${part}) WITH (fillfactor = 60)`,
    );
  await client.query('INSERT INTO service_statuses SELECT * FROM whole; DROP TABLE whole');
  for (const { definition } of triggers) await client.query(definition);
  await client.query('ANALYZE');
  await client.end();
  return url;
}
