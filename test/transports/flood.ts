/** Good messages among as many with properties that a sender has chosen to do harm. */
import { randomUUID } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { outcomeKinds } from '../../src/core/message/outcome.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait.ts';

export interface Flood {
  /** The transport's entry in the configuration. */
  readonly entry: Readonly<Record<string, unknown>>;
  /** Good messages; the test sends as many with other properties. */
  readonly good: number;
  /**
   * Sends a good heartbeat of each instance in the wire form native, and something hostile beside each. Resolves with how many
   * hostile messages the broker has taken. `settled` says how many messages have their outcome by now.
   */
  send(good: ReadonlyArray<GoodMessage>, settled: () => number): Promise<number>;
}

export interface GoodMessage {
  readonly instance: string;
  readonly body: Buffer;
}

/** Good messages of a flood. `CONDUCTOR_TEST_FLOOD=200000` makes it longer. */
export const floodSize = Number(process.env.CONDUCTOR_TEST_FLOOD ?? 20_000);

/** Milliseconds, for a flood of any size. */
const patience = Math.max(120_000, floodSize * 6);

/**
 * One connection takes the whole flood: it is never made anew, all good messages are applied, and each other message has exactly
 * one outcome.
 */
export async function assertFloodIsHarmless(
  t: ExecutionContext,
  { entry, good, send }: Flood,
): Promise<void> {
  const database = await createDatabase(t, { migrated: true });
  const messages = Array.from({ length: good }, (): GoodMessage => {
    const instance = randomUUID();
    const args = { instance_id: instance, sent: Date.now() / 1000, payload: { service_status: 'running' } };
    return { instance, body: Buffer.from(JSON.stringify({ method: 'heartbeat', args })) };
  });
  await database.query(
    'INSERT INTO instances (id, name, deleted) SELECT id, id, false FROM unnest($1::text[]) AS id',
    [messages.map(({ instance }) => instance)],
  );
  const conductor = await startConductorHere(t, { database: database.url, transports: { guests: entry } });
  const counters = conductor.counters.get('guests');
  if (counters === undefined) throw new Error('the transport has no counters');
  const settled = () => outcomeKinds.reduce((sum, kind) => sum + counters.outcomes[kind], 0);
  const hostile = await send(messages, settled);
  await waitFor(() => settled() >= good + hostile, {
    what: 'each message to have its outcome',
    timeout: patience,
  }).catch((error: unknown) => {
    t.log({ ...counters.outcomes, received: counters.received, held: counters.held, ...conductor.states() });
    throw error;
  });
  const [row] = await database.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM service_statuses WHERE instance_id = ANY($1)',
    [messages.map(({ instance }) => instance)],
  );
  t.is(row?.count, good, 'all good messages are applied');
  t.is(counters.received, good + hostile, 'nothing came twice');
  t.is(counters.redelivered, 0);
  t.is(counters.unexplained, 0);
  t.is(conductor.log.lines('consuming').length, 1, 'the connection was never made anew');
  t.deepEqual(conductor.log.lines('not connected'), []);
  t.log({ good, hostile, ...counters.outcomes, ...counters.deadBy });
}
