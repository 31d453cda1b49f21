import { ConfigError, codeOf, messageOf, NotConnected } from '../../core/errors.ts';
import { tlsFailure } from '../../core/transport/tls-failure.ts';

/** What a broker says when it ends a link, a session or a connection (AMQP 1.0, section 2.8.14). */
export interface Refusal {
  readonly condition: string;
  readonly description: string;
}

/** The broker has refused a link. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`${refusal.condition}: ${refusal.description}`);
    this.refusal = refusal;
  }
}

/** Reads the error of a detach, end or close frame; undefined where there is none. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const condition: unknown = Reflect.get(error, 'condition');
  const description: unknown = Reflect.get(error, 'description');
  if (typeof condition !== 'string') return undefined;
  return { condition, description: typeof description === 'string' ? description : '' };
}

/**
 * Whether a source or target of the peer's attach frame is one. A link that is refused has none, and a detach that says why is on its
 * way (AMQP 1.0, section 2.6.3). The client library has what is absent as a value of the type null.
 */
export function isTerminus(terminus: unknown): boolean {
  return typeof terminus === 'object' && terminus !== null && Array.isArray(Reflect.get(terminus, 'value'));
}

/** Conditions that trying again does not change (AMQP 1.0, sections 2.8.15 to 2.8.18). */
const finalConditions = new Set([
  'amqp:unauthorized-access',
  'amqp:not-found',
  'amqp:not-allowed',
  'amqp:invalid-field',
  'amqp:not-implemented',
  'amqp:precondition-failed',
  'amqp:link:redirect',
  'amqp:connection:redirect',
]);

/** Whether there is nobody at the address. */
export function isNotFound({ condition }: Refusal): boolean {
  return condition === 'amqp:not-found' || condition === 'amqp:resource-deleted';
}

/** @param what was refused, as in "the broker refuses {what}". */
export function refused(what: string, refusal: Refusal): ConfigError | NotConnected {
  const because = [refusal.condition, refusal.description].filter((part) => part !== '').join(': ');
  const message = `the broker refuses ${what}: ${oneLine(because)}`;
  return finalConditions.has(refusal.condition) ? new ConfigError(message) : new NotConnected(message);
}

/** RabbitMQ 3 describes an error of its own by its whole stack, over many lines. */
function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 300)} ...` : line;
}

/** What the client library says where the first bytes are no header of AMQP 1.0 (section 2.2). */
const otherProtocol = /^(Invalid protocol header|Unsupported AMQP version|Invalid AMQP protocol id)/;

/**
 * Something came that is not AMQP 1.0, that the client library cannot read, or that made our own reading fail: nothing more can be
 * read on the connection.
 */
export function unreadable(error: unknown): NotConnected {
  const text = oneLine(messageOf(error));
  const message = otherProtocol.test(text)
    ? `url: AMQP 1.0 is not spoken on this port: look at the port, and whether the broker's AMQP 1.0 is enabled (${text})`
    : `the connection is given up, since what came on it could not be read: ${text}`;
  return new NotConnected(message, { cause: error });
}

/**
 * The connection has ended before it was open. Undefined where the error says why.
 *
 * Qpid Broker-J sends no alert over a client certificate that is missing or strange: it closes the socket. With TLS 1.3 that comes after
 * our handshake, with older versions within it, which Node calls a reset.
 *
 * @param cert the file with our certificate; empty: we have none.
 */
export function endedEarly(error: unknown, secure: boolean, cert: string): NotConnected | undefined {
  if (error !== undefined && !(secure && codeOf(error) === 'ECONNRESET')) return undefined;
  const closed =
    'the broker closed the connection before it was open: look whether the port in url is one for';
  if (!secure) return new NotConnected(`${closed} AMQP 1.0`);
  const certificate =
    cert === '' ? 'asks for a client certificate' : `trusts the client certificate in ${cert}`;
  return new NotConnected(
    `${closed} AMQP 1.0 with TLS, and whether the broker ${certificate} (tls.cert and tls.key)`,
    { cause: error },
  );
}

/** Outcome codes of SASL (AMQP 1.0, section 5.3.3.6): wrong credentials, and an error that will stay. */
const finalSaslCodes = new Set(['1', '3']);

/** What of the configuration the broker judges a connection by. */
export interface Asked {
  /** The keys that say who signs in. */
  readonly credentialKeys: string;
  /** The file with our certificate; empty: we have none. */
  readonly cert: string;
  /** The virtual host that is asked for; empty: the broker's default. */
  readonly virtualHost: string;
}

/**
 * An error of the connection as a whole: the handshakes of TCP, TLS and SASL, or a close frame. The client library says of SASL what
 * happened in words only.
 */
export function connectionError(error: unknown, asked: Asked): ConfigError | NotConnected {
  const { credentialKeys, cert, virtualHost } = asked;
  const message = messageOf(error);
  const sasl = /^Failed to authenticate: (\d)/.exec(message);
  if (sasl !== null) {
    const text = `the broker refuses the credentials: look at ${credentialKeys} (SASL outcome ${sasl[1]})`;
    return finalSaslCodes.has(sasl[1] ?? '') ? new ConfigError(text) : new NotConnected(text);
  }
  const offered = /^No suitable mechanism; server supports (.*)$/.exec(message);
  if (offered !== null) return new ConfigError(`sasl: the broker offers only ${offered[1]}`);
  const failure = tlsFailure(error, cert);
  if (failure !== undefined) return failure;
  const refusal = refusalOf(error);
  // RabbitMQ 3 says it with the first session: neither of which virtual host, nor why.
  if (refusal?.condition === 'amqp:unauthorized-access' && virtualHost !== '') {
    const what = `the virtual host in virtualHost or url, ${virtualHost}`;
    const { name, message } = refused(what, refusal);
    const text = `${message} (RabbitMQ 3 says so of one that is not there, of permissions, and of a limit of connections that is reached)`;
    return name === 'ConfigError' ? new ConfigError(text) : new NotConnected(text);
  }
  if (refusal !== undefined) return refused('the connection', refusal);
  return new NotConnected(message || codeOf(error) || 'the connection failed', { cause: error });
}

/** An error of ours as it is; any other may pass. */
export function classify(error: unknown): Error {
  if (error instanceof ConfigError || error instanceof NotConnected) return error;
  return new NotConnected(messageOf(error), { cause: error });
}
