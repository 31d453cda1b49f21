import type { Outcome } from '../../core/message/outcome.ts';
import { passedOn, type TraceContext } from '../../core/message/trace-context.ts';
import type { CastMethod, GuestArgs } from '../methods/contract.ts';
import type { RawMessage, SealedCast } from '../raw-message.ts';

/** One message of a batch. */
export interface BatchItem {
  /** Its place in the batch; negative if it is not part of the batch. */
  readonly index: number;
  readonly transport: string;
  /** The raw message, for a dead letter; undefined for a message that was deferred before. */
  readonly raw: RawMessage | undefined;
  /** The guest that it is proven to come from; undefined for a service and for an unproven sender. */
  readonly guest?: string | undefined;
  /** The name of the method, if it could be read. */
  readonly method: string | undefined;
  /** The id in the body, if it could be read. The protocol's own id is in `raw`. */
  readonly messageId: string | undefined;
  /**
   * The arguments in wire form, if they could be read. A message with a task has them parsed, and drops these: all that a batch keeps
   * costs garbage collection.
   */
  readonly args?: unknown;
  /** The task, or an outcome that is already certain. */
  readonly task: Task | Outcome;
  /** Set for a message that cannot be unsealed yet. It is deferred sealed. */
  readonly sealed?: SealedCast | undefined;
  /** Set for a message that is deferred because its sender is over its quota. */
  readonly later?: Task | undefined;
  /** Whether it was deferred before, and has its row. */
  readonly hasRow?: boolean;
  /** The trace of a message that was deferred before. That of any other is in `raw`. */
  readonly trace?: TraceContext | undefined;
  /** The id of its dead letter, if it is redriven. */
  readonly letterId?: string;
}

export interface Task {
  readonly methodName: string;
  readonly method: CastMethod;
  readonly args: GuestArgs;
}

export function isTask(task: Task | Outcome): task is Task {
  return 'method' in task;
}

/** The trace of a message; undefined if it names none. */
export function traceOf({ raw, trace }: Pick<BatchItem, 'raw' | 'trace'>): TraceContext | undefined {
  return raw?.trace ?? trace;
}

/** The trace of a message as its row has it, in JSON; null if it names none. */
export function storedTrace(item: Pick<BatchItem, 'raw' | 'trace'>): string | null {
  const trace = traceOf(item);
  const stored = trace && passedOn(trace);
  return stored === undefined ? null : JSON.stringify(stored);
}
