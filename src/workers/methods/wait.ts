import type { StatusWait } from '../../core/message/outcome.ts';

/** The result of a call method that has to wait. The call has no outcome yet: the main thread holds it, and runs it again. */
export class Wait {
  readonly wait: StatusWait;

  constructor(wait: StatusWait) {
    this.wait = wait;
  }
}
