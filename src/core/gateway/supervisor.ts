import { type BackoffOptions, fullJitter, pause } from '../backoff.ts';
import { settledBy } from '../deadline.ts';
import { ConfigError, errorCodeOf, messageOf, NotConnected } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { Outage } from '../quiet-log.ts';
import type { Session, Transport } from '../transport/contract.ts';
import type { Inlet } from './dispatcher.ts';
import { closePatience, stopNow, suspend } from './supervisor-sessions.ts';

export interface SupervisorOptions {
  readonly transport: Transport;
  readonly inlet: Pick<Inlet, 'deliver' | 'forget'> & { readonly counters: { readonly held: number } };
  /** Why a new session may not be used; undefined if it may. A refused session is closed. */
  readonly admit?: (session: Session) => Error | undefined;
  readonly backoff: BackoffOptions;
  readonly logger: Logger;
}

/** Milliseconds for the messages of a session that is renewed. Those that take longer are given back. */
const renewPatience = 5000;

export type SupervisorState = 'connecting' | 'consuming' | 'waiting' | 'parked' | 'stopped';

/**
 * Reconnects a transport. Nothing else does: the client libraries' own reconnecting is off. A session that closes is dropped whole and
 * a new one is made, so that no delivery is ever settled on a connection other than its own.
 *
 * ```
 *  connecting ──► consuming ──► waiting ──► connecting ...      stop() from anywhere ──► stopped
 *       └────── not connected ─────▲
 *  park() from any of these ──► parked ──unpark()──► connecting
 * ```
 */
export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly stopping = new AbortController();
  /** The transport, as it signs in now. */
  transport: Transport;
  private session: Session | undefined;
  /** The session that ends because of other credentials. */
  private renewed: Session | undefined;
  /** Whether no session with the other credentials has been made yet. */
  private isRenewing = false;
  /** Aborted: the next attempt need not wait. */
  private hurry = new AbortController();
  private loop: Promise<void> = Promise.resolve();
  private failures = 0;
  /** Resolved by `unpark`; undefined while the transport is not parked. */
  private parked: PromiseWithResolvers<void> | undefined;
  private hasConsumed = false;
  private readonly outage = new Outage();
  state: SupervisorState = 'connecting';
  /** How often it has connected, and how often an attempt or a session has failed. */
  readonly counts = { connected: 0, failed: 0 };
  /** Whether the broker keeps nothing for this replica any more. Read after `stop`. */
  leavesNothing = false;
  /** The error of the last session or the last attempt. */
  lastError: string | undefined;
  /** When it came. Milliseconds since the epoch. */
  lastErrorAt: number | undefined;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.transport = options.transport;
  }

  /** The session, while one is open. */
  get openSession(): Session | undefined {
    return this.session;
  }

  /**
   * Makes the first attempt, then reconnects by itself, whether or not the broker was there. Rejects with ConfigError if the
   * configuration cannot work: the operator learns it at once instead of after a night of retries.
   */
  async start(): Promise<void> {
    const first = this.attempt();
    // Set before the first wait, so that a stop during the first attempt waits for it too.
    this.loop = first.then((attempt) => (isHopeless(attempt) ? undefined : this.keepConnected(attempt)));
    const attempt = await first;
    if (isHopeless(attempt)) throw attempt.error;
  }

  /**
   * Ends the session, so that the broker has all unsettled messages again, and connects no more until `unpark`. Does nothing if the
   * broker would not take the messages back. A second call does nothing. Never rejects.
   */
  async park(deadline: AbortSignal): Promise<void> {
    if (this.parked !== undefined || this.session?.givesBack === false) return;
    this.parked = Promise.withResolvers();
    if (this.session !== undefined) await suspend(this.session, deadline);
  }

  /** Connects again. Does nothing if the transport is not parked. */
  unpark(): void {
    this.parked?.resolve();
    this.parked = undefined;
  }

  /**
   * Ends the present session in good order and connects with this transport at once. Between the two no message is lost: the broker keeps
   * what comes, and delivers again what was not settled. Never rejects. Resolves once the old session has ended.
   */
  async renew(transport: Transport): Promise<void> {
    this.transport = transport;
    this.isRenewing = true;
    this.hurry.abort();
    this.hurry = new AbortController();
    const { session } = this;
    if (session === undefined || this.stopping.signal.aborted) return;
    this.renewed = session;
    const deadline = AbortSignal.timeout(renewPatience);
    await settledBy(session.drain(deadline, true), deadline);
    while (this.options.inlet.counters.held > 0 && !deadline.aborted && this.session === session)
      await pause(20, this.stopping.signal);
    if (this.stopping.signal.aborted || this.session !== session) return;
    const closing = AbortSignal.timeout(closePatience);
    await settledBy(session.stop(closing), closing);
  }

  /** Has the broker stop delivering. Never rejects. Ends at the deadline at the latest. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.stopping.abort();
    this.hurry.abort();
    if (this.session !== undefined) await settledBy(this.session.drain(deadline), deadline);
  }

  /**
   * Closes the session, if there is one, and never connects again. Never rejects.
   *
   * @param deadline for the session. It may take up to a second more to write its settlements.
   * @param over the end of the wait for the session, whatever it does.
   */
  async stop(deadline: AbortSignal, over: AbortSignal): Promise<void> {
    this.stopping.abort();
    this.hurry.abort();
    const { session } = this;
    if (session !== undefined) await settledBy(session.stop(deadline), over);
    this.leavesNothing = session?.leavesNothing === true;
    await settledBy(this.loop, deadline);
    this.state = 'stopped';
  }

  /** Never rejects. */
  private async keepConnected(first: Attempt): Promise<void> {
    const { backoff } = this.options;
    for (let attempt = first; ; attempt = await this.attempt()) {
      const error = 'session' in attempt ? await this.outlive(attempt.session) : attempt.error;
      if (this.stopping.signal.aborted) {
        if (error !== undefined) this.report(error, {});
        return;
      }
      if ('session' in attempt && attempt.session === this.renewed && error === undefined) {
        this.renewed = undefined;
      } else if (error !== undefined || this.parked === undefined) {
        const delay = fullJitter(this.failures, backoff);
        this.failures += 1;
        this.state = 'waiting';
        const closed = new NotConnected('the connection was closed');
        this.report(error ?? closed, { failures: this.failures, retryInMs: Math.round(delay) });
        await pause(delay, this.hurry.signal);
      }
      await this.whileParked();
      if (this.stopping.signal.aborted) return;
    }
  }

  private async whileParked(): Promise<void> {
    const { signal } = this.stopping;
    while (this.parked !== undefined && !signal.aborted) {
      this.state = 'parked';
      await settledBy(this.parked.promise, signal);
    }
  }

  /** Resolves when the session has ended, with the error that ended it. */
  private async outlive(session: Session): Promise<unknown> {
    const connectedAt = performance.now();
    const error = await session.closed.catch((reason: unknown) => reason);
    this.session = undefined;
    this.options.inlet.forget(session);
    // The backoff keeps growing if the broker drops each session soon after it opens.
    if (performance.now() - connectedAt > this.options.backoff.max) this.failures = 0;
    return error;
  }

  /** Tries once to connect. Any error of the transport leads to another attempt, even a fault of its own. Never rejects. */
  private async attempt(): Promise<Attempt> {
    const { inlet, logger } = this.options;
    const { transport } = this;
    this.state = 'connecting';
    let session: Session;
    try {
      session = await transport.connect(inlet.deliver);
    } catch (error) {
      return { error };
    }
    const refusal = this.options.admit?.(session);
    if (refusal !== undefined) {
      await stopNow(session);
      inlet.forget(session);
      return { error: refusal };
    }
    this.session = session;
    // A stop came while connecting. Nobody else knows this session yet.
    if (this.stopping.signal.aborted) {
      await stopNow(session);
    } else if (this.parked !== undefined && session.givesBack !== false) {
      await suspend(session, AbortSignal.timeout(closePatience));
    } else {
      this.state = 'consuming';
      this.counts.connected += 1;
      // A renewed session is worth a line too.
      const isSaid = this.outage.end() || !this.hasConsumed || this.isRenewing;
      this.hasConsumed = true;
      this.isRenewing = false;
      // The other credentials came while connecting.
      if (transport !== this.transport) void this.renew(this.transport);
      logger[isSaid ? 'info' : 'debug']('consuming');
    }
    return { session };
  }

  /** Logs the first failure of an outage as an error, the others as debug lines, since an outage may last all night. */
  private report(error: unknown, more: { failures?: number; retryInMs?: number }): void {
    const text = messageOf(error);
    this.lastError = text;
    this.lastErrorAt = Date.now();
    this.counts.failed += 1;
    this.options.logger[this.outage.fail(text) ? 'error' : 'debug'](
      { code: errorCodeOf(error), error: text, ...more },
      'not connected',
    );
  }
}

/** The result of one attempt to connect. */
type Attempt = { readonly session: Session } | { readonly error: unknown };

function isHopeless(attempt: Attempt): attempt is { readonly error: ConfigError } {
  return 'error' in attempt && attempt.error instanceof ConfigError;
}
