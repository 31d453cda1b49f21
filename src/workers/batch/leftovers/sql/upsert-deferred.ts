import type { JsonObject } from '../../../../core/json.ts';
import type { DeferredReason } from '../../../../core/message/outcome.ts';
import { type Manager, takesBatches } from '../../../methods/contract.ts';
import type { Db } from '../../../postgres/transaction.ts';

/** A message that is to be tried again. */
export interface DeferredMessage {
  readonly method: string;
  readonly key: string;
  readonly instanceId: string;
  readonly transport: string;
  /** In wire form. */
  readonly args: JsonObject;
  /** -Infinity if the message has no guard. */
  readonly guard: number;
  readonly reason: DeferredReason;
  /** As JSON; null if it names none. */
  readonly trace: string | null;
}

/**
 * Keeps one message for each method and key. A newer message is merged into an older one as its method says; an older message is stale.
 * A message without a guard is newer than all before it. The first message's schedule stays, so that a guest that sends often cannot
 * postpone the age limit.
 */
const text = (manager: Manager) => `
INSERT INTO deferred AS stored
  (method, key, instance_id, transport, args, sent, reason, next_attempt_at, failing_since, trace_context)
SELECT method, key, instance_id, transport, args::jsonb, sent, reason, now() + $8::double precision * interval '1 ms',
  CASE WHEN reason = 'unproven' THEN now() END, trace::json
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::double precision[], $7::text[], $9::text[])
  AS input(method, key, instance_id, transport, args, sent, reason, trace)
ORDER BY method, key
ON CONFLICT (method, key) DO UPDATE SET
  args = CASE WHEN false THEN NULL ${layers(manager).join(' ')} ELSE stored.args || excluded.args END,
  sent = greatest(excluded.sent, stored.sent),
  transport = excluded.transport,
  reason = excluded.reason,
  trace_context = coalesce(excluded.trace_context, stored.trace_context),
  failing_since = coalesce(stored.failing_since, excluded.failing_since)
WHERE excluded.sent > stored.sent OR excluded.sent = '-infinity'`;

/** A branch for each method that merges its messages in its own way. */
function layers(manager: Manager): string[] {
  return Object.entries(manager).flatMap(([name, method]) => {
    const args = takesBatches(method) ? method.layOver?.('stored.args', 'excluded.args') : undefined;
    return args === undefined ? [] : [`WHEN stored.method = '${name.replaceAll("'", "''")}' THEN ${args}`];
  });
}

/**
 * @param messages in the order in which messages of one key are merged.
 * @param firstDelay milliseconds until the first retry.
 */
export async function upsertDeferred(
  db: Db,
  manager: Manager,
  messages: ReadonlyArray<DeferredMessage>,
  firstDelay: number,
): Promise<void> {
  // A statement can change a row only once. So the nth message of each key goes into the nth round.
  const rounds: DeferredMessage[][] = [];
  const seen = new Map<string, number>();
  for (const message of messages) {
    const name = `${message.method} ${message.key}`;
    const round = seen.get(name) ?? 0;
    seen.set(name, round + 1);
    const members = rounds[round];
    if (members === undefined) rounds.push([message]);
    else members.push(message);
  }
  const statement = text(manager);
  for (const round of rounds) {
    await db.query('upsert-deferred', statement, [
      round.map(({ method }) => method),
      round.map(({ key }) => key),
      round.map(({ instanceId }) => instanceId),
      round.map(({ transport }) => transport),
      round.map(({ args }) => JSON.stringify(args)),
      round.map(({ guard }) => guard),
      round.map(({ reason }) => reason),
      firstDelay,
      round.map(({ trace }) => trace),
    ]);
  }
}
