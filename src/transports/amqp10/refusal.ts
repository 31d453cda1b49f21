import { ConfigError, codeOf, messageOf, NotConnected } from '../../core/errors.ts';

/** What a broker says when it ends a link, a session or a connection (AMQP 1.0, section 2.8.14). */
export interface Refusal {
  readonly condition: string;
  readonly description: string;
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
  const message = `the broker refuses ${what}: ${firstLine(because)}`;
  return finalConditions.has(refusal.condition) ? new ConfigError(message) : new NotConnected(message);
}

/** RabbitMQ 3 describes an error of its own by its whole stack. */
function firstLine(text: string): string {
  const [line = ''] = text.split('\n');
  return line.length > 300 ? `${line.slice(0, 300)} ...` : line;
}

/** Outcome codes of SASL (AMQP 1.0, section 5.3.3.6): wrong credentials, and an error that will stay. */
const finalSaslCodes = new Set(['1', '3']);

/**
 * An error of the connection as a whole: the handshakes of TCP, TLS and SASL, or a close frame. The client library says of SASL what
 * happened in words only.
 */
export function connectionError(error: unknown): ConfigError | NotConnected {
  const message = messageOf(error);
  const sasl = /^Failed to authenticate: (\d)/.exec(message);
  if (sasl !== null) {
    const text = `the broker refuses the credentials (SASL outcome ${sasl[1]})`;
    return finalSaslCodes.has(sasl[1] ?? '') ? new ConfigError(text) : new NotConnected(text);
  }
  const offered = /^No suitable mechanism; server supports (.*)$/.exec(message);
  if (offered !== null) return new ConfigError(`sasl: the broker offers only ${offered[1]}`);
  const code = codeOf(error);
  if (code !== undefined && isCertificateError(code))
    return new ConfigError(`the TLS connection fails: ${reasonOf(error) ?? firstLine(message)}`, {
      cause: error,
    });
  const refusal = refusalOf(error);
  if (refusal !== undefined) return refused('the connection', refusal);
  return new NotConnected(message || code || 'the connection failed', { cause: error });
}

/** OpenSSL's own words, without its numbers and files. */
function reasonOf(error: unknown): string | undefined {
  const reason: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'reason') : undefined;
  return typeof reason === 'string' ? reason : undefined;
}

/** A certificate that is not trusted, not for this host or not readable, ours or the broker's, or no TLS at the other end at all. */
function isCertificateError(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code);
}
