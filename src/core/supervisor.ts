import { type BackoffOptions, fullJitter, pause } from './backoff.ts';
import type { Session, Transport } from './contracts.ts';
import { settledBy } from './deadline.ts';
import type { Intake } from './dispatcher.ts';
import { ConfigError, messageOf } from './errors.ts';
import type { Logger } from './logger.ts';

export interface SupervisorOptions {
  readonly transport: Transport;
  readonly lane: Pick<Intake, 'deliver' | 'forget'>;
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
}

export type SupervisorState = 'connecting' | 'consuming' | 'waiting' | 'stopped';

/**
 * The only one who reconnects. The client libraries' own reconnecting is off: a session that closes is dropped whole and a
 * new one is made, so that no delivery is ever settled on a connection other than its own.
 *
 * ```
 *  connecting ──► consuming ──► waiting ──► connecting ...      stop() from anywhere ──► stopped
 *       └────── not connected ─────▲
 * ```
 */
export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly stopping = new AbortController();
  private session: Session | undefined;
  private loop: Promise<void> = Promise.resolve();
  private failures = 0;
  state: SupervisorState = 'connecting';
  /** What ended the last session or the last attempt. */
  lastError: string | undefined;

  constructor(options: SupervisorOptions) {
    this.options = options;
  }

  /**
   * Makes the first attempt and goes on by itself, whether or not the broker was there. Rejects with ConfigError if the
   * configuration cannot work: better said at once than retried all night.
   */
  async start(): Promise<void> {
    const first = this.attempt((error) => {
      throw error;
    });
    // From here on, so that a stop during the first attempt waits for it too.
    // A rejection is the caller's, by the line after.
    this.loop = first.then(
      (session) => this.keepConnected(session),
      () => {},
    );
    await first;
  }

  /** Lets the broker deliver nothing more. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.stopping.abort();
    await this.session?.drain(deadline);
  }

  /** Closes the session, if there is one, and never connects again. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping.abort();
    await this.session?.stop(deadline);
    await settledBy(this.loop, deadline);
    this.state = 'stopped';
  }

  private async keepConnected(first: Session | undefined): Promise<void> {
    const { logger, lane, backoff } = this.options;
    for (let session = first; ; session = await this.attempt((error) => this.report(error))) {
      if (session !== undefined) {
        const connectedAt = performance.now();
        const error = await session.closed;
        this.session = undefined;
        lane.forget(session);
        // A broker that drops us as soon as we are in must not be hammered.
        if (performance.now() - connectedAt > backoff.max) this.failures = 0;
        if (error !== undefined) this.report(error);
      }
      if (this.stopping.signal.aborted) return;
      const delay = fullJitter(this.failures, backoff);
      this.failures += 1;
      this.state = 'waiting';
      logger.info({ retryInMs: Math.round(delay) }, 'connecting again');
      await pause(delay, this.stopping.signal);
      if (this.stopping.signal.aborted) return;
    }
  }

  private async attempt(onConfigError: (error: ConfigError) => void): Promise<Session | undefined> {
    const { transport, lane, logger } = this.options;
    this.state = 'connecting';
    try {
      this.session = await transport.connect(lane.deliver);
    } catch (error) {
      if (error instanceof ConfigError) onConfigError(error);
      else this.report(error);
      return undefined;
    }
    // Asked to stop while connecting: nobody else knows this session yet.
    if (this.stopping.signal.aborted) {
      await this.session.stop(AbortSignal.timeout(1000));
    } else {
      this.state = 'consuming';
      logger.info('consuming');
    }
    return this.session;
  }

  private report(error: unknown): void {
    this.lastError = messageOf(error);
    this.options.logger.error({ error: this.lastError }, 'not connected');
  }
}
