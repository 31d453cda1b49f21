import { ConfigError, codeOf, messageOf, NotConnected } from '../../core/errors.ts';
import { tlsFailure } from '../../core/transport/tls-failure.ts';

/** A broker's reason for ending a link, a session or a connection (AMQP 1.0, section 2.8.14). */
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

/** Reads the error of a detach, end or close frame; undefined if there is none. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const condition: unknown = Reflect.get(error, 'condition');
  const description: unknown = Reflect.get(error, 'description');
  if (typeof condition !== 'string') return undefined;
  return { condition, description: typeof description === 'string' ? description : '' };
}

/**
 * Whether the peer's attach frame has a source or target. A refused link has none, and a detach with the reason follows (AMQP 1.0,
 * section 2.6.3). The client library represents an absent one as a value of the type null.
 */
export function isTerminus(terminus: unknown): boolean {
  return typeof terminus === 'object' && terminus !== null && Array.isArray(Reflect.get(terminus, 'value'));
}

/** Conditions that another attempt does not change (AMQP 1.0, sections 2.8.15 to 2.8.18). */
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

/** Whether the address has no receiver. */
export function isNotFound({ condition }: Refusal): boolean {
  return condition === 'amqp:not-found' || condition === 'amqp:resource-deleted';
}

/** @param what the refused thing, as in "the broker refuses {what}". */
export function refused(what: string, refusal: Refusal): ConfigError | NotConnected {
  const because = [refusal.condition, refusal.description].filter((part) => part !== '').join(': ');
  const message = `the broker refuses ${what}: ${oneLine(because)}`;
  return finalConditions.has(refusal.condition)
    ? new ConfigError(message, { code: 'broker-refuses' })
    : new NotConnected(message);
}

/** RabbitMQ 3 describes its internal errors with the whole stack, over many lines. */
function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 300)} ...` : line;
}

/** The client library's message if the first bytes are no header of AMQP 1.0 (section 2.2). */
const otherProtocol = /^(Invalid protocol header|Unsupported AMQP version|Invalid AMQP protocol id)/;

/**
 * The connection cannot be read any more: the bytes are not AMQP 1.0, or the client library cannot read them, or our own reader has
 * failed.
 */
export function unreadable(error: unknown): NotConnected {
  const text = oneLine(messageOf(error));
  const message = otherProtocol.test(text)
    ? `url: AMQP 1.0 is not spoken on this port: look at the port, and whether the broker's AMQP 1.0 is enabled (${text})`
    : `the connection was closed, since its bytes cannot be read: ${text}`;
  return new NotConnected(message, { cause: error });
}

/**
 * Explains a connection that ended before it was open. Undefined if the error says why.
 *
 * Qpid Broker-J sends no alert if a client certificate is missing or unknown: it closes the socket. In TLS 1.3 that comes after our
 * handshake, in older versions during it. Node calls that a reset.
 *
 * @param cert the file with our certificate; empty if we have none.
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

/** Outcome codes of SASL (AMQP 1.0, section 5.3.3.6): wrong credentials, and a permanent error. */
const finalSaslCodes = new Set(['1', '3']);

/** The options by which the broker judges a connection. */
export interface Asked {
  /** The keys of the credentials. */
  readonly credentialKeys: string;
  /** The file with our certificate; empty if we have none. */
  readonly cert: string;
  /** The requested virtual host; empty for the broker's default. */
  readonly virtualHost: string;
}

/**
 * Explains an error of the whole connection: a handshake of TCP, TLS or SASL, or a close frame. The client library describes a failure of
 * SASL only in its message.
 */
export function connectionError(error: unknown, asked: Asked): ConfigError | NotConnected {
  const { credentialKeys, cert, virtualHost } = asked;
  const message = messageOf(error);
  const sasl = /^Failed to authenticate: (\d)/.exec(message);
  if (sasl !== null) {
    const text = `the broker refuses the credentials: look at ${credentialKeys} (SASL outcome ${sasl[1]})`;
    return finalSaslCodes.has(sasl[1] ?? '')
      ? new ConfigError(text, { code: 'broker-sign-in' })
      : new NotConnected(text);
  }
  const offered = /^No suitable mechanism; server supports (.*)$/.exec(message);
  if (offered !== null)
    return new ConfigError(`sasl: the broker offers only ${offered[1]}`, { code: 'broker-sign-in' });
  const failure = tlsFailure(error, cert);
  if (failure !== undefined) return failure;
  const refusal = refusalOf(error);
  // RabbitMQ 3 says it when the first session begins, and names neither the virtual host nor the reason.
  if (refusal?.condition === 'amqp:unauthorized-access' && virtualHost !== '') {
    const what = `the virtual host in virtualHost or url, ${virtualHost}`;
    const { name, message } = refused(what, refusal);
    const text = `${message} (RabbitMQ 3 says so of one that is not there, of permissions, and of a limit of connections that is reached)`;
    return name === 'ConfigError'
      ? new ConfigError(text, { code: 'broker-refuses' })
      : new NotConnected(text);
  }
  if (refusal !== undefined) return refused('the connection', refusal);
  return new NotConnected(message || codeOf(error) || 'the connection failed', { cause: error });
}

/** Returns our own errors unchanged. Any other error may pass, so it becomes NotConnected. */
export function classify(error: unknown): Error {
  if (error instanceof ConfigError || error instanceof NotConnected) return error;
  return new NotConnected(messageOf(error), { cause: error });
}
