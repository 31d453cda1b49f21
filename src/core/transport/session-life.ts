import { settledBy } from '../deadline.ts';
import { NotConnected } from '../errors.ts';

/**
 * The life of one session, of a transport or of a sender. It ends once; the first reason stands.
 *
 * ```
 *  open ──► stopping ──► ended without an error
 *    └──── the connection is lost, or of no use any more ──► ended with an error
 * ```
 */
export class SessionLife {
  /** Resolves once, however the session ends; with the error unless it was asked to end. */
  readonly closed: Promise<Error | undefined>;
  /** Lets go of the connection at once. */
  private readonly hangUp: () => void;
  private readonly cleanups: (() => void)[] = [];
  private readonly waiting = new Set<(error: Error) => void>();
  private resolveClosed: (error: Error | undefined) => void = () => {};
  private reason: Error | undefined;
  private isOpen = true;
  private isStopping = false;

  /** @param hangUp lets go of the connection at once. It may be called more than once, and may not throw. */
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

  /** Runs once the session has ended. */
  atEnd(cleanup: () => void): void {
    this.cleanups.push(cleanup);
  }

  /** The connection has gone. Twice is harmless. */
  end(reason: Error | undefined): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.reason ??= reason ?? new NotConnected('the connection was closed');
    for (const cleanup of this.cleanups) cleanup();
    for (const reject of this.waiting) reject(this.reason);
    this.waiting.clear();
    this.resolveClosed(this.isStopping ? undefined : this.reason);
  }

  /** The session is of no use any more: it ends, and lets go of the connection. */
  fail(reason: Error): void {
    if (!this.isOpen) return;
    this.end(reason);
    this.hangUp();
  }

  /**
   * Ends the session in the protocol's way; past the deadline it lets go of the connection. Resolves in any case.
   *
   * @param goodbye says goodbye to the broker. If it fails, the session lets go of the connection.
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
   * The promise, or a rejection with what ended the session if that comes first. Unlike a race with `closed`, nothing is left behind
   * by a promise that settles before: a session may live for months.
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
