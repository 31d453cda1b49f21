import { settledBy } from '../deadline.ts';
import { NotConnected } from '../errors.ts';

/**
 * The life of one session, of a transport or of a sender. It ends once; the first reason stands.
 *
 * ```
 *  open ──► stopping ──► ended without an error
 *    └──── the connection is lost, or cannot be used any more ──► ended with an error
 * ```
 */
export class SessionLife {
  /** Resolves once the session has ended: with the error, or with undefined if it was asked to end. */
  readonly closed: Promise<Error | undefined>;
  /** Closes the connection at once. */
  private readonly hangUp: () => void;
  private readonly cleanups: (() => void)[] = [];
  private readonly waiting = new Set<(error: Error) => void>();
  private resolveClosed: (error: Error | undefined) => void = () => {};
  private reason: Error | undefined;
  private isOpen = true;
  private isStopping = false;

  /** @param hangUp closes the connection at once. It may be called more than once, and may not throw. */
  constructor(hangUp: () => void) {
    this.hangUp = hangUp;
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
  }

  /** Whether the connection can still be used. */
  get open(): boolean {
    return this.isOpen;
  }

  /** Whether the session was asked to end. */
  get stopping(): boolean {
    return this.isStopping;
  }

  /**
   * Calls `cleanup` once, when the session ends. If it has ended already, calls it before `atEnd` returns. `cleanup` may not throw.
   */
  atEnd(cleanup: () => void): void {
    if (this.isOpen) this.cleanups.push(cleanup);
    else cleanup();
  }

  /** Ends the session: its connection has closed. A second call does nothing. */
  end(reason: Error | undefined): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.reason ??= reason ?? new NotConnected('the connection was closed');
    for (const cleanup of this.cleanups) cleanup();
    for (const reject of this.waiting) reject(this.reason);
    this.waiting.clear();
    this.resolveClosed(this.isStopping ? undefined : this.reason);
  }

  /** Ends the session with an error, and closes the connection. */
  fail(reason: Error): void {
    if (!this.isOpen) return;
    this.end(reason);
    this.hangUp();
  }

  /**
   * Ends the session in the protocol's way. At the deadline it closes the connection. Never rejects.
   *
   * @param goodbye closes the connection in the protocol's way. If it fails, the session closes the connection at once.
   */
  async stop(deadline: AbortSignal, goodbye: () => Promise<unknown>): Promise<void> {
    this.isStopping = true;
    if (!this.isOpen) return;
    await settledBy(Promise.race([goodbye(), this.closed]), deadline);
    if (this.isOpen) {
      this.end(undefined);
      this.hangUp();
    }
  }

  /**
   * Settles as the promise does. Rejects with the session's error if the session ends first. A promise that settles first leaves
   * nothing in memory, unlike in a race with `closed`: a session may live for months.
   */
  wait<Result>(promise: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const done = () => this.waiting.delete(reject);
      promise.then(
        (result) => {
          done();
          resolve(result);
        },
        (error: unknown) => {
          done();
          reject(error);
        },
      );
      if (this.isOpen) this.waiting.add(reject);
      else reject(this.reason);
    });
  }
}
