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
   * hostile messages the broker has taken.
   */
  send(good: ReadonlyArray<GoodMessage>): Promise<number>;
}

export interface GoodMessage {
  readonly instance: string;
  readonly body: Buffer;
}

/** Milliseconds. */
const patience = 120_000;

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
  const account = conductor.counters.get('guests');
  if (account === undefined) throw new Error('the transport has no account');
  const hostile = await send(messages);
  const settled = () => outcomeKinds.reduce((sum, kind) => sum + account.outcomes[kind], 0);
  await waitFor(() => settled() >= good + hostile, {
    what: 'each message to have its outcome',
    timeout: patience,
  }).catch((error: unknown) => {
    t.log({ ...account.outcomes, received: account.received, held: account.held, ...conductor.states() });
    throw error;
  });
  const [row] = await database.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM service_statuses WHERE instance_id = ANY($1)',
    [messages.map(({ instance }) => instance)],
  );
  t.is(row?.count, good, 'all good messages are applied');
  t.is(account.received, good + hostile, 'nothing came twice');
  t.is(account.redelivered, 0);
  t.is(account.unexplained, 0);
  t.is(conductor.log.lines('consuming').length, 1, 'the connection was never made anew');
  t.deepEqual(conductor.log.lines('not connected'), []);
  t.log({ good, hostile, ...account.outcomes, ...account.deadBy });
}
