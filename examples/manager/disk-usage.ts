import {
  applied,
  type CallMethod,
  CallRefused,
  type CastMethod,
  deferred,
  type GuestArgs,
  type Outcome,
  oneAtATime,
  Rejected,
  readId,
  readSent,
  readText,
  stale,
} from 'conductor-gateway/manager';

/**
 * Methods of your own. Guests report the use of their disks, and notes for an operator. Services ask for the disk usage. The tables are in
 * tables.sql.
 */

interface DiskUsage extends GuestArgs {
  readonly sent: number;
  readonly usedBytes: number;
}

/** Batch-first: one statement for all messages of a batch, from any number of guests. */
const reportDisk: CastMethod<DiskUsage> = {
  description: {
    summary: 'A guest reports the use of its disk.',
    args: {
      type: 'object',
      required: ['instance_id', 'sent', 'used_bytes'],
      properties: {
        instance_id: { type: 'string', minLength: 1, maxLength: 36 },
        sent: { type: 'number', maximum: 1e11 },
        used_bytes: { type: 'number', minimum: 0 },
      },
    },
  },

  parse(args) {
    const instanceId = readId(args, 'instance_id');
    const sent = readSent(args, true) ?? 0;
    const { used_bytes: usedBytes } = args;
    if (typeof usedBytes !== 'number' || !(usedBytes >= 0))
      throw new Rejected('bad_argument', 'args.used_bytes is not a number of bytes', 'used_bytes');
    return { instanceId, key: instanceId, guard: sent, sent, usedBytes };
  },

  toWire: ({ instanceId, sent, usedBytes }) => ({ instance_id: instanceId, sent, used_bytes: usedBytes }),

  async apply(db, batch) {
    // Only the newest message of each guest counts. A statement may touch a row only once.
    const newest = new Map<string, DiskUsage>();
    for (const usage of batch) {
      const other = newest.get(usage.key);
      if (other === undefined || other.sent < usage.sent) newest.set(usage.key, usage);
    }
    const rows = [...newest.values()];
    const known = await db.query<{ id: string; written: boolean }>(
      'report-disk',
      `WITH input AS (
         SELECT * FROM unnest($1::text[], $2::double precision[], $3::double precision[]) AS input(id, sent, used)
       ), written AS (
         INSERT INTO disk_usage AS stored (instance_id, sent, used_bytes)
         SELECT id, sent, used FROM input JOIN instances USING (id) ORDER BY id
         ON CONFLICT (instance_id) DO UPDATE SET sent = excluded.sent, used_bytes = excluded.used_bytes
         WHERE excluded.sent > stored.sent
         RETURNING instance_id
       )
       SELECT id, written.instance_id IS NOT NULL AS written
       FROM input JOIN instances USING (id) LEFT JOIN written ON written.instance_id = id`,
      [rows.map(({ key }) => key), rows.map(({ sent }) => sent), rows.map(({ usedBytes }) => usedBytes)],
    );
    const writtenBy = new Map(known.map(({ id, written }) => [id, written]));
    return batch.map((usage): Outcome => {
      const written = writtenBy.get(usage.key);
      if (written === undefined) return deferred.unknown;
      return written && newest.get(usage.key) === usage ? applied : stale;
    });
  },
};

interface Note extends GuestArgs {
  readonly text: string;
}

/** One message at a time: simpler, and for rare messages. */
const note = oneAtATime<Note>({
  parse: (args) => {
    const instanceId = readId(args, 'instance_id');
    return { instanceId, key: instanceId, guard: undefined, text: readText(args, 'text', 1000, 1) };
  },
  async handle(db, { instanceId, text }) {
    await db.query('note', 'INSERT INTO notes (instance_id, text) VALUES ($1, $2)', [instanceId, text]);
    return applied;
  },
});

/** A call. Its caller gets the result of `run`. */
const diskUsageOf: CallMethod<string> = {
  allowed: 'anyone',
  mutating: false,
  parse: (args) => readId(args, 'instance_id'),
  async run(db, instanceId) {
    const [row] = await db.query<{ used_bytes: number }>(
      'disk-usage-of',
      'SELECT used_bytes FROM disk_usage WHERE instance_id = $1',
      [instanceId],
    );
    if (row === undefined)
      throw new CallRefused('NotFound', `nothing was heard of ${instanceId}`, 'instance_id');
    return row;
  },
};

export default { report_disk: reportDisk, note, disk_usage_of: diskUsageOf };
