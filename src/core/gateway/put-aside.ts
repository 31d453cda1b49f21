import type { Logger } from '../logger.ts';
import { Outage } from '../quiet-log.ts';

/** Milliseconds without a batch that was put aside, after which the method is taken to work again. */
const quiet = 10_000;

/**
 * Knows whether all messages of a method are being put aside because they all fail. Nobody is blamed and nothing is held then, so
 * that only this tells the operator.
 */
export class PutAside {
  private readonly logger: Logger;
  private readonly outage = new Outage();
  private last: { readonly because: string; readonly at: number } | undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** Why messages are put aside at the moment; undefined while they are not. */
  get because(): string | undefined {
    return this.last?.because;
  }

  /** Takes what a batch says. */
  note(because: string | undefined): void {
    const now = performance.now();
    if (because !== undefined) {
      this.last = { because, at: now };
      if (this.outage.fail(because))
        this.logger.error({ because }, 'messages are put aside, nothing is lost');
    } else if (this.last !== undefined && now - this.last.at > quiet) {
      this.last = undefined;
      if (this.outage.end()) this.logger.info('messages are no longer put aside');
    }
  }
}
