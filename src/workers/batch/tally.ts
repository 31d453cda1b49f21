import { Histogram, latencyBounds } from '../../core/histogram.ts';
import { type BatchFigures, monotonic, otherMethod } from '../../core/message/batch-figures.ts';
import { outcomeKinds } from '../../core/message/outcome.ts';
import type { Manager } from '../methods/contract.ts';
import { type BatchItem, isTask } from './item.ts';

/** Sums up the outcomes of a committed batch. A message costs two additions and a few comparisons. */
export class BatchTally {
  private readonly manager: Manager;
  private readonly now = Date.now() / 1000;
  private readonly committedAt = monotonic();
  private readonly methods = new Map<string, number[]>();
  private readonly sendToCommit = new Histogram(latencyBounds);
  /** The counts of the last message's method. The next message is likely to have the same. */
  private lastName: string | undefined;
  private last: number[] = [];

  /** To be made right after the commit. */
  constructor(manager: Manager) {
    this.manager = manager;
  }

  /** @param outcome an index into `outcomeKinds`. */
  add({ task, method }: BatchItem, outcome: number): void {
    const counts = this.countsOf(isTask(task) ? task.methodName : this.known(method));
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    const guard = isTask(task) ? task.args.guard : undefined;
    // A clock that is ahead makes no message younger than nothing.
    if (guard !== undefined) this.sendToCommit.record(Math.max(0, this.now - guard));
  }

  get figures(): BatchFigures {
    const { counts, sum } = this.sendToCommit;
    return { methods: [...this.methods], sendToCommit: { counts, sum }, committedAt: this.committedAt };
  }

  private known(method: string | undefined): string {
    return method !== undefined && Object.hasOwn(this.manager, method) ? method : otherMethod;
  }

  private countsOf(name: string): number[] {
    if (name === this.lastName) return this.last;
    let counts = this.methods.get(name);
    if (counts === undefined) {
      counts = new Array<number>(outcomeKinds.length).fill(0);
      this.methods.set(name, counts);
    }
    this.lastName = name;
    this.last = counts;
    return counts;
  }
}
