import { randomUUID } from 'node:crypto';
import type { ConfiguredTransport } from '../core/config/transport-kind.ts';
import { deadlineIn, settledBy } from '../core/deadline.ts';
import { messageOf, NotConnected } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { wireForms } from '../core/message/codecs/index.ts';
import type { Reply, WireForm } from '../core/message/request.ts';
import type { SenderSession } from '../core/transport/sender.ts';
import type { ActiveTrace } from './active-trace.ts';
import { awaitStatus } from './await-status.ts';
import { Calls } from './calls.ts';
import { type CastResult, Casts, heartbeatKey } from './casts.ts';
import { intervalIn } from './heartbeat-interval.ts';
import { type HeartbeatOptions, Heartbeats } from './heartbeats.ts';
import { Link, type LinkState, type LinkStatus } from './link.ts';
import type { ArgumentsOf, AwaitedStatus, HeartbeatInterval, ResultOf, ServiceStatus } from './methods.ts';
import {
  type CallOptions,
  type CastOptions,
  type ClientOptions,
  type CloseOptions,
  checkSender,
  longestTimer,
  positive,
  usualBackoff,
} from './options.ts';
import { Requests } from './requests.ts';
import { signatureLength, signingKeyOf, signingSender } from './signing.ts';
import { createStamp } from './stamp.ts';

/** The client of a guest or a service: casts and calls over a transport. It reconnects by itself. */
export class Client {
  private readonly sender: string;
  private readonly form: WireForm;
  private readonly requests: Requests;
  private readonly logger: Logger;
  private readonly casts: Casts;
  private readonly calls: Calls;
  private readonly link: Link;
  private readonly closing = new AbortController();
  private closed: Promise<void> | undefined;
  private whenIdle: () => void = () => {};

  /** @param activeTrace left out: no message has the context of a span. */
  constructor(
    configured: ConfiguredTransport,
    options: ClientOptions,
    logger: Logger,
    activeTrace?: ActiveTrace,
  ) {
    this.sender = checkSender(options.sender);
    const key = signingKeyOf(configured.options);
    const maxBody = positive('maxBody', options.maxBody) - (key === undefined ? 0 : signatureLength(key));
    this.form = wireForms[configured.options.codec];
    const stamp = createStamp(options.now);
    this.requests = new Requests(this.form, options.context, stamp, maxBody, activeTrace);
    this.logger = logger;
    this.casts = new Casts(
      positive('maxBuffered', options.maxBuffered),
      positive('maxInFlight', options.maxInFlight),
      () => this.changed(),
    );
    this.calls = new Calls(positive('maxCalls', options.maxCalls), () => this.link.lastError);
    const sender = configured.createSender({ clientName: this.sender, logger });
    this.link = new Link({
      sender: key === undefined ? sender : signingSender(sender, key, options.now),
      backoff: options.reconnect ?? usualBackoff,
      logger,
      receive: (reply) => this.receive(reply),
      begun: (session) => this.begun(session),
      ended: (session) => {
        this.casts.ended();
        this.calls.ended(session);
      },
    });
  }

  /** Makes the first attempt to connect. If it fails, the client tries again in the background. Rejects with ConfigError. */
  async start(): Promise<void> {
    await this.link.start();
  }

  get state(): LinkState {
    return this.link.state;
  }

  /** The error that ended the last connection or attempt, if any. */
  get lastError(): string | undefined {
    return this.link.lastError;
  }

  /** The state of the connection now and after each change, until the client is closed. Rejects never. A slow reader misses states between. */
  states(): AsyncIterableIterator<LinkStatus> {
    return this.link.states();
  }

  /** The number of casts that are not on the broker yet. */
  get buffered(): number {
    return this.casts.size;
  }

  /**
   * Sends a message without an answer. Resolves with `sent` once the broker has it, or with `superseded` if a newer heartbeat of the same
   * instance replaced it before it was sent. Without a connection it waits.
   *
   * Rejects with BufferFull; with Undeliverable if the broker refuses it; with Rejected if it can never be applied (an argument is no
   * JSON, the body is too long); with NotConnected if the client was closed first; with the signal's reason.
   */
  async cast<Method extends string>(
    method: Method,
    args: ArgumentsOf<Method>,
    { messageId = randomUUID(), sender = this.sender, signal }: CastOptions = {},
  ): Promise<CastResult> {
    this.assertOpen();
    const request = this.requests.create(method, args, messageId, sender);
    const message = this.requests.castOf(request, sender);
    return this.casts.cast(message, heartbeatKey(method, request.args), signal);
  }

  /**
   * Sends a message and waits for its answer. Without a connection it waits for one until its timeout.
   *
   * Rejects with RemoteError if the answer is an error; with CallTimeout, BufferFull, Undeliverable or Rejected as a cast does; with NotConnected
   * if the connection breaks meanwhile. Then the call may have been executed, and it is safe to repeat it with the same `messageId`.
   */
  async call<Method extends string>(
    method: Method,
    args: ArgumentsOf<Method>,
    { messageId = randomUUID(), sender = this.sender, signal, timeout = 30_000 }: CallOptions = {},
  ): Promise<ResultOf<Method>> {
    this.assertOpen();
    if (!(timeout > 0 && timeout <= longestTimer))
      throw new RangeError(`timeout: must be a number of milliseconds above 0, not ${timeout}`);
    const correlationId = randomUUID().replaceAll('-', '');
    const request = this.requests.create(method, args, messageId, sender);
    const message = this.requests.callOf(request, sender, correlationId);
    try {
      const result: unknown = await this.calls.call({
        method,
        messageId,
        correlationId,
        timeout,
        signal,
        message,
      });
      // The type is the protocol's promise. Nothing here checks what a method of another conductor answers.
      return result as ResultOf<Method>;
    } finally {
      this.changed();
    }
  }

  /**
   * Waits until an instance has one of the statuses, for `timeout` milliseconds (60 000 by default). A status that it had for a
   * moment only counts too. It goes on over lost connections. Nothing polls the database for it.
   *
   * Rejects with CallTimeout, whose message names the instance's status; with RemoteError if the conductor refuses the call, and otherwise as a
   * call does.
   */
  awaitStatus(
    instance: string,
    status: ServiceStatus | readonly ServiceStatus[],
    options?: CallOptions,
  ): Promise<AwaitedStatus> {
    const isClosed = () => this.closed !== undefined;
    return awaitStatus(
      { isClosed, call: (args, how) => this.call<'await_status'>('await_status', args, how) },
      instance,
      status,
      options,
    );
  }

  /** Asks how often this guest is to send heartbeats. Rejects as a call does. */
  async heartbeatInterval(options?: CallOptions): Promise<HeartbeatInterval> {
    return intervalIn(await this.call<'heartbeat_interval'>('heartbeat_interval', {}, options));
  }

  /** Sends heartbeats of this guest as often as the conductor asks for, until they are stopped or the client is closed. */
  heartbeats({ instance = this.sender, ...options }: HeartbeatOptions): Heartbeats {
    this.assertOpen();
    return new Heartbeats(this, { ...options, instance }, this.closing.signal);
  }

  /**
   * Accepts nothing more, waits for unfinished casts and calls, then closes the connection. Casts that are not on the broker at the
   * deadline reject with NotConnected. Never rejects. A second call does nothing.
   */
  close({ deadline = 5000 }: CloseOptions = {}): Promise<void> {
    this.closing.abort();
    this.closed ??= this.end(Math.min(deadline, longestTimer));
    return this.closed;
  }

  /** Closes the client at the end of the block that has it with `await using`. */
  [Symbol.asyncDispose]: () => Promise<void> = () => this.close();

  private async end(deadline: number): Promise<void> {
    const { signal, cancel } = deadlineIn(deadline);
    await settledBy(this.idle(), signal);
    this.calls.failAll(new NotConnected('the client was closed before the call was answered'));
    this.casts.fail(new NotConnected(`the client was closed before the message was sent${this.because()}`));
    await this.link.stop(signal).finally(cancel);
  }

  private because(): string {
    return this.lastError === undefined ? '' : ` (${this.lastError})`;
  }

  /** Resolves once nothing waits and nothing is under way. */
  private async idle(): Promise<void> {
    if (!this.isIdle)
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve;
      });
  }

  private get isIdle(): boolean {
    return this.casts.size === 0 && this.calls.size === 0;
  }

  private changed(): void {
    if (this.isIdle) this.whenIdle();
  }

  private begun(session: SenderSession): void {
    this.casts.begun(session);
    this.calls.begun(session);
  }

  private receive(reply: Reply): void {
    try {
      const answered = this.form.decodeReply(reply);
      if (answered !== undefined) this.calls.answered(answered.correlationId, answered.answer);
    } catch (error) {
      this.logger.warn({ error: messageOf(error) }, 'a reply cannot be read');
    }
  }

  private assertOpen(): void {
    if (this.closed !== undefined) throw new NotConnected('the client is closed');
  }
}
