import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import rhea, { type Connection, type EventContext, type Receiver, type Session } from 'rhea';
import { messageOf, NotConnected } from '../../core/errors.ts';
import { connectToFirst } from '../../core/transport/addresses.ts';
import { type Credentials, credentialsOf, tlsOptions } from '../../core/transport/security.ts';
import { SessionLife } from '../../core/transport/session-life.ts';
import { type Broker, brokerOf } from './connect-broker.ts';
import { connectionError, endedEarly, unreadable } from './connect-refusal.ts';
import { credentialKeys, saslMechanisms } from './connect-sasl.ts';
import type { Amqp10Options } from './options.ts';
import { Deliveries, type Taker } from './read.ts';
import { guardWriting } from './read-library.ts';

/**
 * Connects to the first broker in `url` that accepts us. Rejects with ConfigError if it refuses the credentials or the certificate,
 * otherwise with NotConnected.
 *
 * @param name of the connection, for the broker's own listings.
 */
export function openConnection(options: Amqp10Options, name: string): Promise<Amqp10Connection> {
  return connectToFirst(options.url, async (url) => {
    const connection = new Amqp10Connection({ ...options, url }, name);
    await connection.opened;
    return connection;
  });
}

/** Milliseconds that the broker has to answer our close frame. */
const closePatience = 1000;

/** Closes a connection that has no session. Never rejects. */
export function letGo(connection: Amqp10Connection): Promise<void> {
  return connection.stop(AbortSignal.timeout(closePatience));
}

/**
 * One connection, for a session or a sender. It has a container of its own: handlers on a shared container would get the events of all
 * connections.
 */
export class Amqp10Connection {
  /** The life that everything on the connection shares. */
  readonly life = new SessionLife(() => this.hangUp());
  /** The user that we have signed in as. */
  readonly credentials: Credentials | undefined;
  /** Resolves once the broker has opened the connection. Rejects with the error that ended it before. */
  readonly opened: Promise<void>;
  private readonly connection: Connection;
  private readonly deliveries: Deliveries;
  private readonly options: Amqp10Options;
  private readonly secure: boolean;
  private said: Broker | undefined;
  private socket: Socket | undefined;
  private phase: 'socket' | 'handshake' | 'open' = 'socket';

  /** Begins to connect. Throws ConfigError over wrong options, such as a file that cannot be read. */
  constructor(options: Amqp10Options, name: string) {
    const { life } = this;
    this.options = options;
    this.secure = new URL(options.url).protocol === 'amqps:';
    this.credentials = credentialsOf(options, options.url);
    this.connection = rhea
      .create_container({ id: `${name} ${rhea.generate_uuid()}` })
      .create_connection(this.settings());
    guardWriting(this.connection, {
      gone: () => this.socket?.destroyed === true,
      failed: (error) =>
        life.fail(new NotConnected(`writing to the broker failed: ${messageOf(error)}`, { cause: error })),
    });
    try {
      this.connection.connect();
    } catch (error) {
      throw this.explain(error);
    }
    // After our close frame no frame is for us.
    this.deliveries = new Deliveries(this.connection, () => this.usable);
    this.listen();
    const timer = setTimeout(() => life.fail(this.tooLate()), options.connectTimeout);
    life.atEnd(() => clearTimeout(timer));
    const opened = new Promise<void>((resolve) => {
      this.connection.once('connection_open', () => {
        clearTimeout(timer);
        this.phase = 'open';
        resolve();
      });
    });
    this.opened = life.wait(opened);
  }

  /** The broker's description of itself. */
  get broker(): Broker {
    this.said ??= brokerOf(this.connection.properties, this.connection.offered_capabilities);
    return this.said;
  }

  /** @param buffer deliveries that an AMQP session tracks, in each direction. */
  createSession(buffer: number): Session {
    return this.connection.create_session(buffer);
  }

  /** Hands on the deliveries of a link. If the taker throws, the connection ends with that error. */
  receive(receiver: Receiver, taker: Taker): void {
    this.deliveries.receive(receiver, taker);
  }

  /** Writes a whole frame now, before the frames that the client library has queued. */
  write(frame: Buffer): void {
    if (this.usable) this.socket?.write(frame);
  }

  /**
   * Closes. Never rejects, and resolves at the deadline at the latest.
   *
   * @param finish runs before the connection closes.
   */
  async stop(deadline: AbortSignal, finish: () => Promise<unknown> = async () => {}): Promise<void> {
    const { life } = this;
    await life.stop(deadline, async () => {
      await finish();
      this.connection.close();
      await life.closed;
    });
  }

  /** No frame may follow our close frame (AMQP 1.0, section 2.4.3). */
  private get usable(): boolean {
    return this.life.open && this.connection.is_open();
  }

  private hangUp(): void {
    this.connection.close();
    // An error of the socket makes the library clear its timers. It has written our close frame by the next turn.
    setImmediate(() => this.socket?.destroy(new NotConnected('the connection is given up')));
  }

  private tooLate(): NotConnected {
    const inTime = `within ${this.options.connectTimeout} ms (connectTimeout)`;
    return new NotConnected(
      this.secure && this.phase === 'socket'
        ? `no TLS handshake was completed ${inTime}: look whether the port in url is one for TLS`
        : `no connection ${inTime}`,
    );
  }

  private settings() {
    const { options, secure } = this;
    const url = new URL(options.url);
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = Number(url.port) || (secure ? 5671 : 5672);
    const virtualHost = virtualHostOf(options);
    const tls = secure ? tlsOptions(options) : undefined;
    return {
      host,
      port,
      // RabbitMQ's name of a virtual host; otherwise the host (AMQP 1.0, section 2.7.1).
      hostname: virtualHost === '' ? host : `vhost:${virtualHost}`,
      connection_details: () => ({
        host,
        port,
        // A socket of our own, so that we can destroy it if the broker does not answer any more.
        connect: (_port: number, _host: string, _options: unknown, connected: () => void) => {
          const ready = () => {
            this.phase = 'handshake';
            connected();
          };
          // In TLS an IP address is no host name (RFC 6066, section 3).
          const servername = tls?.servername ?? (isIP(host) ? '' : host);
          this.socket = secure
            ? connectTls({ ...tls, host, port, servername }, ready)
            : connectTcp({ host, port }, ready);
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
    const { connection, life } = this;
    connection.on('connection_error', ({ error }: EventContext) => life.fail(this.explain(error)));
    connection.on('connection_close', () => life.fail(new NotConnected('the broker closed the connection')));
    connection.on('disconnected', ({ error }: EventContext) => {
      const early = this.phase === 'open' ? undefined : endedEarly(error, this.secure, this.options.tls.cert);
      life.fail(
        early ?? (error === undefined ? new NotConnected('the connection was lost') : this.explain(error)),
      );
    });
    // The bytes break the protocol, or the library cannot read them. It closes the socket by itself.
    for (const name of ['protocol_error', 'error'])
      connection.on(name, (error: unknown) => life.fail(unreadable(error)));
  }

  private explain(error: unknown): Error {
    const { options } = this;
    return connectionError(error, {
      credentialKeys: credentialKeys(options, this.credentials),
      cert: options.tls.cert,
      virtualHost: virtualHostOf(options),
    });
  }
}

/** RabbitMQ's virtual host; empty for the broker's default. */
function virtualHostOf({ virtualHost, url }: Amqp10Options): string {
  return virtualHost || decodeURIComponent(new URL(url).pathname.slice(1));
}
