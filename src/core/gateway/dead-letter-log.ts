import type { Logger } from '../logger.ts';
import type { DeadNotice } from '../message/outcome.ts';
import { LineBudget } from '../quiet-log.ts';

const second = 1000;
/** The first `lines` dead letters get a line each; then one more line every `interval` milliseconds. */
const named = { lines: 10, interval: second };
/** Milliseconds between two lines that sum up the others. */
const summing = 10 * second;

/** Logs one line for each dead letter. If there are too many, one line in ten seconds gives the number of the others. */
export class DeadLetterLog {
  private readonly logger: Logger;
  private readonly budget = new LineBudget(named.lines, named.interval);
  /** The dead letters without their own line, by transport and reason. Both sets are small. */
  private further = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  add(notice: DeadNotice): void {
    if (this.budget.take() !== undefined) {
      this.logger.warn({ code: 'dead-letter', ...notice }, 'dead letter');
      return;
    }
    const key = `${notice.transport} ${notice.reason}`;
    this.further.set(key, (this.further.get(key) ?? 0) + 1);
    this.timer ??= setTimeout(() => this.sum(), summing).unref();
  }

  /** Logs the sum that is still open. */
  stop(): void {
    if (this.timer !== undefined) this.sum();
  }

  private sum(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const counts = Object.fromEntries(this.further);
    const count = [...this.further.values()].reduce((sum, one) => sum + one, 0);
    this.further = new Map();
    this.logger.warn(
      { code: 'dead-letter', count, counts },
      `${count} further dead letters in the last ${summing / second} s: conductor dead list --count counts them`,
    );
  }
}
