import type { Logger } from '../logger.ts';
import { Outage } from '../quiet-log.ts';

/** Milliseconds without a put-aside batch after which the method counts as working again. */
const quiet = 10_000;

/**
 * Tracks whether all messages of a method are put aside because all of them fail. Nobody is blamed and nothing is held then, so the
 * operator learns it only from here.
 */
export class PutAside {
  private readonly logger: Logger;
  private readonly outage = new Outage();
  private last: { readonly because: string; readonly at: number } | undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** Why messages are put aside now; undefined while they are not. */
  get because(): string | undefined {
    return this.last?.because;
  }

  /** Takes the reason that a batch reports, if any. */
  note(because: string | undefined): void {
    const now = performance.now();
    if (because !== undefined) {
      this.last = { because, at: now };
      if (this.outage.fail(because))
        this.logger.error({ code: 'put-aside', because }, 'messages are put aside, nothing is lost');
    } else if (this.last !== undefined && now - this.last.at > quiet) {
      this.last = undefined;
      if (this.outage.end()) this.logger.info('messages are no longer put aside');
    }
  }
}
