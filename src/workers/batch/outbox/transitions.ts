import type { Db } from '../../postgres/transaction.ts';
import { isTask, storedTrace } from '../item.ts';
import type { Resolved } from '../leftovers/record.ts';
import type { Run } from '../run.ts';
import { traceTransitions } from './sql/trace-transitions.ts';
import { notifies } from './store.ts';

/**
 * Gives the notifications of changed statuses the contexts of the messages that changed them: of the last one of each instance. The
 * triggers that store them know no message. It costs a statement only where changes are published and messages have contexts.
 */
export async function traceChanges(
  db: Db,
  resolved: ReadonlyArray<Resolved>,
  { settings, hooks, log }: Pick<Run, 'settings' | 'hooks' | 'log'>,
): Promise<void> {
  const { publishTransitions } = settings.database;
  // Messages of a row may have a context; those of a broker have one only if tracing is on.
  const mayHaveTraces = log !== undefined || hooks.begin !== undefined;
  if (publishTransitions === '' || !mayHaveTraces) return;
  const traces = new Map<string, string>();
  for (const { item, outcome } of resolved.toSorted((a, b) => a.item.index - b.item.index)) {
    if (!isTask(item.task) || outcome.kind !== 'applied' || notifies(outcome)) continue;
    const trace = storedTrace(item);
    if (trace !== null) traces.set(item.task.args.instanceId, trace);
  }
  if (traces.size === 0) return;
  const transitions = [...traces].map(([instanceId, trace]) => ({ instanceId, trace }));
  await traceTransitions(db, transitions, publishTransitions);
}
