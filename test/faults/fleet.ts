import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ExecutionContext } from 'ava';
import { osloHeartbeat } from '../../bench/messages.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { TestDatabase } from '../support/database.ts';
import { type WaitOptions, waitFor } from '../support/wait.ts';
import type { Message, WireForm } from './brokers.ts';

/** What the database has to say about an instance in the end. */
interface Status {
  readonly instance: string;
  readonly status: string;
  readonly sent: number;
}

const words = ['running', 'healthy', 'shutdown', 'crashed', 'paused'] as const;

/** Seconds between two heartbeats of the fleet; what is sent is exact in milliseconds. */
const step = 0.001;

/**
 * Guests whose newest status is known. They report in turn, each time newer than all before and different from what the same
 * guest said last, so a message that was committed and then delivered again is a duplicate or stale, and nothing else is.
 */
export class Fleet {
  readonly instances: ReadonlyArray<string>;
  private readonly newest = new Map<string, Status>();
  /** Well in the past: a `sent` of the future would be another case. */
  private readonly begin = Math.floor(Date.now() / 1000) - 3600;
  private count = 0;

  constructor(size: number) {
    this.instances = Array.from({ length: size }, () => randomUUID());
  }

  /** Makes the instances known to the database, and has it keep every change of a status. */
  async register(database: TestDatabase): Promise<void> {
    await database.query(
      `INSERT INTO instances (id, name, created, deleted)
       SELECT id, id, now() AT TIME ZONE 'utc', false FROM unnest($1::text[]) AS id`,
      [this.instances],
    );
    await database.query(`
      CREATE TABLE changes (n bigint GENERATED ALWAYS AS IDENTITY, instance_id text, sent double precision);
      CREATE FUNCTION keep_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
      BEGIN
        INSERT INTO changes (instance_id, sent) VALUES (new.instance_id, new.sent);
        RETURN NULL;
      END
      $$;
      CREATE TRIGGER keep_change AFTER INSERT OR UPDATE ON service_statuses FOR EACH ROW EXECUTE FUNCTION keep_change()`);
  }

  /** The next heartbeats. */
  heartbeats(count: number, form: WireForm): Message[] {
    return Array.from({ length: count }, () => this.next(form));
  }

  private next(form: WireForm): Message {
    const { length } = this.instances;
    const turn = Math.floor(this.count / length);
    const instance = this.instances[this.count % length] ?? '';
    const status = words[turn % words.length] ?? 'running';
    const sent = this.begin + this.count * step;
    this.count += 1;
    this.newest.set(instance, { instance, status, sent });
    return { sender: instance, body: heartbeatBody(form, instance, sent, status) };
  }

  /** Which part of the heartbeats so far has been committed, judged by the newest that has: 0 to 1. */
  async progress(database: TestDatabase): Promise<number> {
    const [row] = await database.query<{ sent: number | null }>(
      'SELECT max(sent) AS sent FROM service_statuses',
    );
    return ((row?.sent ?? this.begin) - this.begin) / step / this.count;
  }

  /** Waits until so much of the heartbeats so far has been committed. */
  async reaches(part: number, database: TestDatabase, process?: WaitOptions['process']): Promise<void> {
    await waitFor(async () => (await this.progress(database)) >= part, {
      what: `${part} of the heartbeats to be committed`,
      timeout: patience,
      interval: 5,
      ...(process !== undefined && { process }),
    });
  }

  /** How many changes of a status have been committed, each by a heartbeat of its own. */
  async changes(database: TestDatabase): Promise<number> {
    const [row] = await database.query<{ count: number }>('SELECT count(*)::int AS count FROM changes');
    return row?.count ?? 0;
  }

  /** Waits until so many changes have been committed. What a faster batch has made stale is none: `progress` may run ahead of it. */
  async changesReach(count: number, database: TestDatabase, process?: WaitOptions['process']): Promise<void> {
    await waitFor(async () => (await this.changes(database)) >= count, {
      what: `${count} changes to be committed`,
      timeout: patience,
      interval: 5,
      ...(process !== undefined && { process }),
    });
  }

  /**
   * Waits until every instance, but for those, has the newest status that its guest has sent; and, if it is all of them, until
   * nothing is deferred any more. A message about a row that an earlier batch still locks is tried again.
   */
  async arrives(
    database: TestDatabase,
    process?: WaitOptions['process'],
    butFor: ReadonlyArray<string> = [],
  ) {
    const expected = this.expected(butFor);
    const begin = await this.progress(database);
    try {
      await waitFor(async () => isDeepStrictEqual(await stored(database, butFor), expected), {
        what: 'every instance to have its newest status',
        timeout: patience,
        interval: 50,
        ...(process !== undefined && { process }),
      });
    } catch (error) {
      // Tells a machine that is slow from messages that do not come.
      const share = `progress ${begin} at the beginning, ${await this.progress(database)} in the end`;
      throw new Error(`not all have arrived: ${share}: ${messageOf(error)}`, { cause: error });
    }
    if (butFor.length > 0) return;
    await waitFor(async () => (await database.query('SELECT FROM deferred')).length === 0, {
      what: 'the deferred messages to be applied',
      timeout: patience,
      ...(process !== undefined && { process }),
    });
  }

  /** Every instance has its newest status, none ever went back or stood still, and nothing was deferred. */
  async assertArrived(t: ExecutionContext, database: TestDatabase): Promise<void> {
    t.deepEqual(await stored(database), this.expected());
    const back = await database.query(
      `SELECT * FROM (SELECT instance_id, sent, lag(sent) OVER (PARTITION BY instance_id ORDER BY n) AS before FROM changes) AS step
       WHERE sent <= before`,
    );
    t.deepEqual(back, [], 'a status was set back, or set twice by the same message');
    t.deepEqual(await database.query('SELECT reason, detail FROM dead_letters'), []);
    t.deepEqual(await database.query('SELECT reason, key FROM deferred'), []);
  }

  private expected(butFor: ReadonlyArray<string> = []): Status[] {
    return [...this.newest.values()].filter(({ instance }) => !butFor.includes(instance)).sort(byInstance);
  }
}

const patience = 30_000;

async function stored(database: TestDatabase, butFor: ReadonlyArray<string> = []): Promise<Status[]> {
  const rows = await database.query<Status & Record<string, unknown>>(
    'SELECT instance_id AS instance, status_description AS status, sent FROM service_statuses WHERE NOT instance_id = ANY($1)',
    [butFor],
  );
  return rows.sort(byInstance);
}

function byInstance(a: Status, b: Status): number {
  return a.instance < b.instance ? -1 : 1;
}

function heartbeatBody(form: WireForm, instance: string, sent: number, status: string): Buffer {
  if (form === 'oslo') return osloHeartbeat(instance, sent, status);
  const args = { instance_id: instance, sent, payload: { service_status: status } };
  return Buffer.from(JSON.stringify({ method: 'heartbeat', args }));
}
