import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import rhea, { type Connection, type EventContext, type Receiver, type Session } from 'rhea';
import { settledBy } from '../../core/deadline.ts';
import { messageOf, NotConnected } from '../../core/errors.ts';
import { type Credentials, credentialsOf, tlsOptions } from '../../core/transport/security.ts';
import { type Broker, brokerOf } from './address.ts';
import type { Amqp10Options } from './options.ts';
import { Deliveries, type Taker } from './read.ts';
import { guardWriting } from './read-library.ts';
import { connectionError, unreadable } from './refusal.ts';
import { credentialKeys, saslMechanisms } from './sasl.ts';

/**
 * One connection, for a session or a sender. It has a container of its own: handlers on a shared one would hear of every
 * connection's events.
 */
export class Amqp10Connection {
  /** Whom we have signed in as. */
  readonly credentials: Credentials | undefined;
  /** Resolves once, however the connection ends; with the error unless it was asked to end. */
  readonly ended: Promise<Error | undefined>;
  /** What is to be told of the end. Unlike what waits for `ended`, it can be forgotten: links come and go. */
  private readonly listeners = new Set<(error: Error | undefined) => void>();
  private readonly connection: Connection;
  private deliveries: Deliveries | undefined;
  private readonly options: Amqp10Options;
  private said: Broker | undefined;
  private socket: Socket | undefined;
  private hasEnded = false;
  private resolveEnded: (error: Error | undefined) => void = () => {};
  /** Resolves once the broker has answered our close, or the socket has gone. */
  private readonly closed: Promise<void>;
  private hasClosed: () => void = () => {};

  private constructor(options: Amqp10Options, name: string) {
    this.options = options;
    this.credentials = credentialsOf(options, options.url);
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    void this.ended.then((error) => {
      for (const listener of this.listeners) listener(error);
    });
    this.closed = new Promise((resolve) => {
      this.hasClosed = resolve;
    });
    this.connection = rhea
      .create_container({ id: `${name} ${rhea.generate_uuid()}` })
      .create_connection(this.settings(options));
    guardWriting(this.connection, {
      gone: () => this.socket?.destroyed === true,
      failed: (error) =>
        this.end(new NotConnected(`writing to the broker failed: ${messageOf(error)}`, { cause: error })),
    });
    this.listen();
  }

  /**
   * ONE attempt; resolves once the broker has opened the connection. Rejects with ConfigError if the broker refuses credentials or
   * certificate, else with NotConnected.
   *
   * @param name of the connection, for the broker's own listings.
   */
  static async open(options: Amqp10Options, name: string): Promise<Amqp10Connection> {
    const connection = new Amqp10Connection(options, name);
    await connection.connect();
    return connection;
  }

  /** What the broker has said of itself. */
  get broker(): Broker {
    this.said ??= brokerOf(this.connection.properties, this.connection.offered_capabilities);
    return this.said;
  }

  /** Tells the listener once, when the connection ends or if it has; returns what forgets it before that. */
  onEnd(listener: (error: Error | undefined) => void): () => void {
    if (this.hasEnded) void this.ended.then(listener);
    else this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** @param buffer deliveries that an AMQP session keeps track of, in either direction. */
  createSession(buffer: number): Session {
    return this.connection.create_session(buffer);
  }

  /** Hands on what comes on a link. If the taker throws, the connection ends with that error. */
  receive(receiver: Receiver, taker: Taker): void {
    this.deliveries?.receive(receiver, taker);
  }

  /** Writes a whole frame now, before what the client library still has to write. */
  write(frame: Buffer): void {
    if (!this.hasEnded) this.socket?.write(frame);
  }

  /** The connection is of no use any more: `ended` resolves with this error. */
  fail(error: Error): void {
    this.end(error);
  }

  /** Closes. Resolves in any case, at the deadline at latest. */
  async close(deadline: AbortSignal): Promise<void> {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.connection.close();
    await settledBy(this.closed, deadline);
    this.destroy();
    this.resolveEnded(undefined);
  }

  private async connect(): Promise<void> {
    const { connectTimeout } = this.options;
    const tooLate = () =>
      this.end(new NotConnected(`no connection within ${connectTimeout} ms (connectTimeout)`));
    const timer = setTimeout(tooLate, connectTimeout);
    const opened = new Promise<void>((resolve) => {
      this.connection.once('connection_open', () => resolve());
    });
    try {
      this.connection.connect();
      this.deliveries = new Deliveries(this.connection, () => !this.hasEnded);
    } catch (error) {
      this.end(this.explain(error));
    }
    try {
      const error = await Promise.race([opened, this.ended]);
      if (error !== undefined) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private explain(error: unknown): Error {
    const { options } = this;
    return connectionError(error, {
      credentialKeys: credentialKeys(options, this.credentials),
      cert: options.tls.cert,
      virtualHost: virtualHostOf(options),
    });
  }

  private end(error: Error): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.resolveEnded(error);
    this.connection.close();
    // The library clears its timers on an error of the socket. It has written our close frame by the next turn.
    setImmediate(() => this.destroy());
  }

  private destroy(): void {
    this.socket?.destroy(new NotConnected('the connection is given up'));
  }

  private settings(options: Amqp10Options) {
    const url = new URL(options.url);
    const secure = url.protocol === 'amqps:';
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = Number(url.port) || (secure ? 5671 : 5672);
    const virtualHost = virtualHostOf(options);
    const tls = secure ? tlsOptions(options) : undefined;
    return {
      host,
      port,
      // RabbitMQ's way to name a virtual host; else the host, as AMQP 1.0, section 2.7.1, has it.
      hostname: virtualHost === '' ? host : `vhost:${virtualHost}`,
      connection_details: () => ({
        host,
        port,
        // A socket of our own making, to be given up when it no longer answers.
        connect: (_port: number, _host: string, _options: unknown, connected: () => void) => {
          // No host name may be an address in TLS (RFC 6066, section 3).
          const servername = tls?.servername ?? (isIP(host) ? '' : host);
          this.socket = secure
            ? connectTls({ ...tls, host, port, servername }, connected)
            : connectTcp({ host, port }, connected);
          return this.socket.setNoDelay(true);
        },
      }),
      sasl_mechanisms: saslMechanisms(options, this.credentials),
      sasl_init_hostname: host,
      idle_time_out: options.heartbeat * 1000,
      // The supervisor reconnects, with a new connection.
      reconnect: false,
    };
  }

  private listen(): void {
    const { connection } = this;
    connection.on('connection_error', ({ error }: EventContext) => this.end(this.explain(error)));
    connection.on('connection_close', () => {
      this.hasClosed();
      this.end(new NotConnected('the broker closed the connection'));
    });
    connection.on('disconnected', ({ error }: EventContext) => {
      this.hasClosed();
      // What the broker said of itself is asked for as soon as it is open.
      const silently =
        this.said === undefined
          ? 'the broker closed the connection before it was open: look whether the port in url is one for AMQP 1.0'
          : 'the connection was lost';
      this.end(error === undefined ? new NotConnected(silently) : this.explain(error));
    });
    // Not what AMQP allows, or what the library cannot read: it closes the socket by itself.
    for (const name of ['protocol_error', 'error'])
      connection.on(name, (error: unknown) => this.end(unreadable(error)));
  }
}

/** RabbitMQ's; empty: the broker's default. */
function virtualHostOf({ virtualHost, url }: Amqp10Options): string {
  return virtualHost || decodeURIComponent(new URL(url).pathname.slice(1));
}
