import type { Envelope } from '../../core/message/envelope.ts';
import type { Outcome } from '../../core/message/outcome.ts';
import type { CastMethod, GuestArgs } from '../methods/contract.ts';
import type { RawMessage, SealedCast } from '../raw-message.ts';

/** One message on its way through a batch. */
export interface BatchItem {
  /** Its place in the batch. */
  readonly index: number;
  readonly transport: string;
  /** As it came, for a dead letter; undefined for a message that was deferred before. */
  readonly raw: RawMessage | undefined;
  /** What is known of it, as far as it could be read. */
  readonly decoded: Partial<Envelope>;
  /** What is to be done, or the outcome that is already certain. */
  readonly task: Task | Outcome;
  /** Of a message that cannot be opened yet: it is deferred as it is. */
  readonly sealed?: SealedCast | undefined;
  /** It was deferred before, as it is, and has its row. */
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
