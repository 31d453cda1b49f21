import { monotonic } from '../../core/message/batch-figures.ts';
import type { TransactionTimes } from '../../core/message/outcome.ts';

/** The most transactions of a batch whose times are kept. A batch that is taken apart may have many more. */
const most = 32;

/** The transactions of one batch or call, for the spans; made only if tracing is on. */
export class TransactionLog {
  /** The trace of the batch. Its transactions show it in `pg_stat_activity`. */
  readonly traceId: string;
  private readonly kept: TransactionTimes[] = [];

  constructor(traceId: string) {
    this.traceId = traceId;
  }

  /** Oldest first. */
  get times(): ReadonlyArray<TransactionTimes> {
    return this.kept;
  }

  /** Notes the beginning. Returns the function that notes the end. */
  begin(): (hasCommitted: boolean) => void {
    const begunAt = monotonic();
    return (hasCommitted) => {
      if (this.kept.length < most) this.kept.push({ begunAt, endedAt: monotonic(), hasCommitted });
    };
  }
}
