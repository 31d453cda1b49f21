import { Rejected } from '../../../core/errors.ts';
import { dead } from '../../../core/message/outcome.ts';
import { type Manager, takesBatches } from '../../methods/contract.ts';
import type { BatchItem } from '../item.ts';
import { methodOf, taskOf } from '../read.ts';
import type { DeferredRow } from './sql/take-deferred.ts';

/** Makes an item of a deferred message, for its retry. Its arguments take the place of the body, which is not kept. */
export function deferredItem(
  { method, args, transport, trace: stored }: Omit<DeferredRow, 'key'>,
  index: number,
  manager: Manager,
): BatchItem {
  const envelope = {
    method,
    args,
    version: undefined,
    messageId: undefined,
    sentRequired: false,
    context: undefined,
    call: undefined,
  };
  const trace = stored ?? undefined;
  return { index, transport, raw: undefined, method, messageId: undefined, args, trace, task: taskOrDead() };

  function taskOrDead(): BatchItem['task'] {
    try {
      const known = methodOf(envelope, manager);
      if (!takesBatches(known)) throw new Rejected('not_a_cast', `${method} is to be called`);
      return taskOf(envelope, known);
    } catch (error) {
      // A release that knew the method, or accepted the argument, deferred it.
      if (error instanceof Rejected) return dead(error.reason, error.message);
      throw error;
    }
  }
}
