import { type BackoffOptions, fullJitter, pause } from '../core/backoff.ts';
import { settledBy } from '../core/deadline.ts';
import { ConfigError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Reply } from '../core/message/request.ts';
import type { Sender, SenderSession } from '../core/transport/sender.ts';

export interface LinkOptions {
  readonly sender: Sender;
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
  readonly receive: (reply: Reply) => void;
  /** Gets a session to send on, until that session has ended. */
  readonly begun: (session: SenderSession) => void;
  readonly ended: (session: SenderSession) => void;
}

export type LinkState = 'connecting' | 'connected' | 'waiting' | 'closed';

export interface LinkStatus {
  readonly state: LinkState;
  /** The error that ended the last connection or attempt. */
  readonly lastError: string | undefined;
}

/**
 * Keeps a sender connected, as the conductor's supervisor keeps a transport. The client libraries' own reconnecting is off. A session that
 * ends is dropped as a whole.
 *
 * ```
 *  connecting ──► connected ──► waiting ──► connecting ...      stop() from anywhere ──► closed
 *       └────── not connected ─────▲
 * ```
 */
export class Link {
  private readonly options: LinkOptions;
  private readonly stopping = new AbortController();
  private loop: Promise<void> = Promise.resolve();
  session: SenderSession | undefined;
  private current: LinkState = 'connecting';
  private changed = Promise.withResolvers<void>();
  /** The error that ended the last session or the last attempt. */
  lastError: string | undefined;

  constructor(options: LinkOptions) {
    this.options = options;
  }

  /**
   * Makes the first attempt, and then goes on by itself even if the broker is away. Rejects with ConfigError if it cannot work.
   */
  async start(): Promise<void> {
    const first = this.attempt();
    this.loop = first.then(
      (session) => this.keepConnected(session),
      () => {},
    );
    await first;
  }

  get state(): LinkState {
    return this.current;
  }

  private set state(state: LinkState) {
    this.current = state;
    this.changed.resolve();
    this.changed = Promise.withResolvers();
  }

  /** The state now and after each change. Ends with `closed`. */
  async *states(): AsyncGenerator<LinkStatus, undefined> {
    for (;;) {
      const { state, lastError } = this;
      const changed = this.changed.promise;
      yield { state, lastError };
      if (state === 'closed') return;
      await changed;
    }
  }

  /** Ends the session, if there is one, and never connects again. Resolves at the deadline at the latest. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping.abort();
    await this.session?.stop(deadline);
    await settledBy(this.loop, deadline);
    this.state = 'closed';
  }

  private async keepConnected(first: SenderSession | undefined): Promise<void> {
    const { backoff, logger } = this.options;
    let failures = 0;
    for (let session = first; ; session = await this.attemptAgain()) {
      if (session !== undefined) {
        const connectedAt = performance.now();
        const error = await session.closed;
        this.session = undefined;
        this.options.ended(session);
        // Waits here too: the broker may end each session as soon as it has begun.
        if (performance.now() - connectedAt > backoff.max) failures = 0;
        if (error !== undefined) this.report(error);
      }
      if (this.stopping.signal.aborted) return;
      this.state = 'waiting';
      const delay = fullJitter(failures, backoff);
      failures += 1;
      logger.debug({ retryInMs: Math.round(delay) }, 'connecting again');
      await pause(delay, this.stopping.signal);
      if (this.stopping.signal.aborted) return;
    }
  }

  /** The configuration was right at the start. So the broker is at fault, and its operator may repair it. */
  private async attemptAgain(): Promise<SenderSession | undefined> {
    try {
      return await this.attempt();
    } catch (error) {
      this.report(error);
      return undefined;
    }
  }

  private async attempt(): Promise<SenderSession | undefined> {
    this.state = 'connecting';
    let session: SenderSession;
    try {
      session = await this.options.sender.connect(this.options.receive);
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      this.report(error);
      return undefined;
    }
    this.session = session;
    // `stop` came while this attempt ran. No other code knows this session yet.
    if (this.stopping.signal.aborted) {
      await session.stop(AbortSignal.timeout(1000));
    } else {
      this.state = 'connected';
      this.options.logger.debug('connected');
      this.options.begun(session);
    }
    return session;
  }

  private report(error: unknown): void {
    this.lastError = messageOf(error);
    this.options.logger.warn({ error: this.lastError }, 'not connected');
  }
}
