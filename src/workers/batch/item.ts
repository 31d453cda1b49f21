import type { Envelope } from '../../core/message/envelope.ts';
import type { Outcome } from '../../core/message/outcome.ts';
import type { CastMethod, GuestArgs } from '../methods/contract.ts';
import type { RawMessage, SealedCast } from '../raw-message.ts';

/** One message of a batch. */
export interface BatchItem {
  /** Its place in the batch; negative if it is not part of the batch. */
  readonly index: number;
  readonly transport: string;
  /** The raw message, for a dead letter; undefined for a message that was deferred before. */
  readonly raw: RawMessage | undefined;
  /** The parts that could be read. */
  readonly decoded: Partial<Envelope>;
  /** The task, or an outcome that is already certain. */
  readonly task: Task | Outcome;
  /** Set for a message that cannot be unsealed yet. It is deferred sealed. */
  readonly sealed?: SealedCast | undefined;
  /** Whether it was deferred before, and has its row. */
  readonly hasRow?: boolean;
}

export interface Task {
  readonly methodName: string;
  readonly method: CastMethod;
  readonly args: GuestArgs;
}

export function isTask(task: Task | Outcome): task is Task {
  return 'method' in task;
}
