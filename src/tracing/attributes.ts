import type { Attributes } from '@opentelemetry/api';
import { type BatchResult, CALL, outcomeKinds } from '../core/message/outcome.ts';

/**
 * The names of the attributes. They are our own: OpenTelemetry's conventions for messaging are in development and have no value for NATS
 * and MQTT. docs/tracing.md maps each to its convention.
 */
export const attribute = {
  transport: 'conductor.transport',
  batchSize: 'conductor.batch.size',
  messageId: 'conductor.message.id',
  bodySize: 'conductor.message.body.size',
  redelivered: 'conductor.message.redelivered',
  method: 'conductor.method',
  /** The beginning of the names of the outcomes in a batch. */
  outcomes: 'conductor.outcome.',
  /** The outcome of a call. */
  outcome: 'conductor.outcome',
  /** The table from which messages run again. */
  source: 'conductor.source',
  settlement: 'conductor.settlement',
  committed: 'conductor.transaction.committed',
} as const;

/** The number of messages for each outcome in a batch; `call` for those that run by themselves afterwards, `held` for those without one. */
export function outcomesIn({ codes }: Pick<BatchResult, 'codes'>): Attributes {
  const counts: Record<string, number> = {};
  for (const code of codes) {
    const name = `${attribute.outcomes}${outcomeKinds[code] ?? (code === CALL ? 'call' : 'held')}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
