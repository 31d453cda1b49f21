import { settledBy } from '../deadline.ts';
import { NotConnected } from '../errors.ts';
import { Semaphore } from '../semaphore.ts';
import type { SessionLife } from './session-life.ts';

/**
 * The messages that a session has sent and the broker has not confirmed yet. Bounded if the broker bounds them (MQTT 5, Receive
 * Maximum): it may disconnect over one more.
 */
export class Unconfirmed {
  private readonly life: SessionLife;
  private semaphore: Semaphore;

  /** @param bound messages that may be under way at once; Infinity: the broker has no bound. */
  constructor(life: SessionLife, bound: number) {
    this.life = life;
    this.semaphore = new Semaphore(bound);
  }

  /** The broker has said how many it takes. To be called before anything is sent. */
  set bound(messages: number) {
    this.semaphore = new Semaphore(messages);
  }

  /**
   * Sends once there is room. Resolves as `send` does. Rejects with NotConnected if the session ends before that: the message may have
   * arrived or not.
   */
  async send<Result>(send: () => Promise<Result>): Promise<Result> {
    const { life, semaphore } = this;
    // Messages that wait for room at a stop are under way too.
    if (life.stopping) throw new NotConnected('the session has ended');
    await life.wait(semaphore.take());
    try {
      return await life.wait(send());
    } finally {
      semaphore.give();
    }
  }

  /** Waits for what is under way, but not past the deadline. Never rejects. */
  async idle(deadline: AbortSignal): Promise<void> {
    await settledBy(Promise.race([this.semaphore.idle(), this.life.closed]), deadline);
  }
}
