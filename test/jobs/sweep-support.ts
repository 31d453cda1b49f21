import { pino } from 'pino';
import { JobFigures } from '../../src/core/job-figures.ts';
import { type SweepOptions, sweepJob } from '../../src/jobs/sweep.ts';
import { statuses } from '../../src/workers/methods/statuses.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { insertInstances, openContext } from '../support/worker.ts';

/** A fleet with statuses, and the sweep as one replica runs it. */

export const limits = { heartbeatExpiry: 90_000, buildTimeout: 1_800_000 };

export async function setUp(t: Parameters<typeof createDatabase>[0], options: Partial<SweepOptions> = {}) {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database);
  const lines: { level: number; msg: string; instances?: number; because?: string }[] = [];
  const logger = pino({}, { write: (text: string) => void lines.push(JSON.parse(text)) });
  const witness = { calmFor: 1e9, oldestUnsettled: 0 };
  const jobs = jobsDatabaseOf(context);
  const job = () =>
    sweepJob({
      figures: new JobFigures([]),
      ...limits,
      // The server of the tests may have started a moment ago.
      grace: 0,
      maxShare: 1,
      suspect: 1,
      isDryRun: false,
      interval: 1000,
      goneAfter: 300_000,
      database: jobs,
      witness: () => witness,
      logger,
      ...options,
    });
  const { signal } = new AbortController();
  const one = job();
  return { database, context, lines, witness, jobs, job, sweep: () => one.run(signal) };
}

/** Instances with a status, last heard of so many seconds ago. */
export async function insertStatuses(
  database: TestDatabase,
  rows: ReadonlyArray<readonly [id: string, status: string, silentFor: number]>,
): Promise<void> {
  await insertInstances(database, ...rows.map(([id]) => id));
  await database.query(
    `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at)
     SELECT id, id, code, word, now() AT TIME ZONE 'utc' - silent * interval '1 second'
     FROM unnest($1::text[], $2::integer[], $3::text[], $4::double precision[]) AS input(id, code, word, silent)`,
    [
      rows.map(([id]) => id),
      rows.map(([, status]) => statuses.get(status)?.id),
      rows.map(([, status]) => status),
      rows.map(([, , silent]) => silent),
    ],
  );
}

export async function statusesIn(database: TestDatabase): Promise<Record<string, string>> {
  const rows = await database.query<{ id: string; status: string }>(
    'SELECT instance_id AS id, status_description AS status FROM service_statuses ORDER BY instance_id',
  );
  return Object.fromEntries(rows.map(({ id, status }) => [id, status]));
}

export const many = (count: number, status: string, silentFor: number, prefix = 'm') =>
  Array.from({ length: count }, (_, index) => [`${prefix}${index}`, status, silentFor] as const);
