import { settledBy } from '../deadline.ts';
import { NotConnected } from '../errors.ts';
import { Semaphore } from '../semaphore.ts';
import type { SessionLife } from './session-life.ts';

/**
 * The messages that a session has sent and the broker has not confirmed. Their number has a bound if the broker sets one (MQTT 5, Receive
 * Maximum): it may disconnect a client that exceeds it.
 */
export class Unconfirmed {
  private readonly life: SessionLife;
  private semaphore: Semaphore;

  /** @param bound messages that may be unconfirmed at once; Infinity: the broker sets no bound. */
  constructor(life: SessionLife, bound: number) {
    this.life = life;
    this.semaphore = new Semaphore(bound);
  }

  /** The bound, once the broker has named it. Set it before the first `send`. */
  set bound(messages: number) {
    this.semaphore = new Semaphore(messages);
  }

  /**
   * Sends once there is room. Resolves as `send` does. Rejects with NotConnected if the session ends first. Then the message may have
   * arrived or not.
   */
  async send<Result>(send: () => Promise<Result>): Promise<Result> {
    const { life, semaphore } = this;
    // At a stop, `idle` waits for the messages that wait for room too.
    if (life.stopping) throw new NotConnected('the session has ended');
    await life.wait(semaphore.take());
    try {
      return await life.wait(send());
    } finally {
      semaphore.give();
    }
  }

  /** Waits until all messages are confirmed, or until the deadline. Never rejects. */
  async idle(deadline: AbortSignal): Promise<void> {
    await settledBy(Promise.race([this.semaphore.idle(), this.life.closed]), deadline);
  }
}
