import { Rejected } from '../../../core/errors.ts';
import { dead } from '../../../core/message/outcome.ts';
import { type Manager, takesBatches } from '../../methods/contract.ts';
import type { BatchItem } from '../item.ts';
import { methodOf, taskOf } from '../read.ts';
import type { DeferredRow } from './sql/take-deferred.ts';

/** A message that was deferred, to be tried again. Its arguments stand in for a body that it no longer has. */
export function deferredItem(
  { method, args, transport }: DeferredRow,
  index: number,
  manager: Manager,
): BatchItem {
  const decoded = {
    method,
    args,
    version: undefined,
    messageId: undefined,
    sentRequired: false,
    context: undefined,
    call: undefined,
  };
  return { index, transport, raw: undefined, decoded, task: taskOrDead() };

  function taskOrDead(): BatchItem['task'] {
    try {
      const known = methodOf(decoded, manager);
      if (!takesBatches(known)) throw new Rejected('not_a_cast', `${method} is to be called`);
      return taskOf(decoded, known);
    } catch (error) {
      // Deferred by a release that knew the method, or took the argument.
      if (error instanceof Rejected) return dead(error.reason, error.message);
      throw error;
    }
  }
}
