import type { Db } from '../../../postgres/transaction.ts';

/** A change of a status in this transaction, by the instance, and the context of the message that made it. */
export interface TracedTransition {
  readonly instanceId: string;
  /** As JSON. */
  readonly trace: string;
}

/** The rows that this transaction has inserted, and no others: no lock is waited for. */
const text = `
UPDATE notification_outbox AS stored SET trace_context = input.trace::json
FROM unnest($1::text[], $2::text[]) AS input(instance_id, trace)
WHERE stored.transport = $3::json ->> 'transport' AND stored.instance_id = input.instance_id
  AND stored.trace_context IS NULL AND stored.xmin = pg_current_xact_id()::xid`;

/**
 * Adds the contexts of messages to the notifications that the triggers have stored for their changes.
 *
 * @param transitions one an instance.
 * @param publish the setting `conductor.publish`.
 */
export async function traceTransitions(
  db: Db,
  transitions: ReadonlyArray<TracedTransition>,
  publish: string,
): Promise<void> {
  await db.query('trace-transitions', text, [
    transitions.map(({ instanceId }) => instanceId),
    transitions.map(({ trace }) => trace),
    publish,
  ]);
}
