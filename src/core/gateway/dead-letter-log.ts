import type { Logger } from '../logger.ts';
import type { DeadNotice } from '../message/outcome.ts';
import { LineBudget } from '../quiet-log.ts';

const second = 1000;
/** Dead letters that are named at once, and seconds until one more is. */
const named = { lines: 10, interval: second };
/** Milliseconds that the others are summed for. */
const summing = 10 * second;

/** One line a dead letter, and where there are too many for that, one line in ten seconds that says how many more. */
export class DeadLetterLog {
  private readonly logger: Logger;
  private readonly budget = new LineBudget(named.lines, named.interval);
  /** Those that were not named, by transport and reason: both are few. */
  private further = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  add(notice: DeadNotice): void {
    if (this.budget.take() !== undefined) {
      this.logger.warn(notice, 'dead letter');
      return;
    }
    const key = `${notice.transport} ${notice.reason}`;
    this.further.set(key, (this.further.get(key) ?? 0) + 1);
    this.timer ??= setTimeout(() => this.sum(), summing).unref();
  }

  /** Says what has not been said. */
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
      { count, counts },
      `${count} further dead letters in the last ${summing / second} s: look into the table dead_letters`,
    );
  }
}
