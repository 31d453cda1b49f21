import { ConfigError, codeOf, messageOf, NotConnected } from '../../core/errors.ts';
import type { TlsOptions } from '../../core/transport/security.ts';
import { tlsFailure } from '../../core/transport/tls-failure.ts';
import { type Ending, type SignIn, tryHandshake } from './connect-handshake.ts';

/** Reply codes of AMQP 0-9-1, section 1.2. */
export const replyCode = {
  accessRefused: 403,
  notFound: 404,
  preconditionFailed: 406,
  notAllowed: 530,
} as const;

/** The settings of the failed connection. */
export interface Attempt {
  readonly target: URL;
  readonly signIn: SignIn;
  readonly tls: TlsOptions | undefined;
  /** Milliseconds. */
  readonly patience: number;
}

/** Explains an error of the handshake. It names the few keys that can be at fault. */
export async function explain(error: unknown, attempt: Attempt): Promise<Error> {
  const message = messageOf(error);
  const because = (key: string) =>
    new ConfigError(`${key}: ${message}`, { code: 'broker-sign-in', cause: error });
  if (message.includes('SASL mechanism EXTERNAL'))
    return because('the broker does not take a client certificate for a user: set user and password');
  if (/ACCESS.REFUSED/.test(message))
    return because('the broker refuses the credentials: look at user, password and passwordFile, or url');
  const failure = tlsFailure(error);
  if (failure !== undefined) return failure;
  if (!isUnexplained(error)) return classify(error);
  const { target, signIn, tls, patience } = attempt;
  return explainEnding(await tryHandshake(target, signIn, tls, patience), error, attempt);
}

/**
 * Whether the library hides the server's words: the server closed the connection while it was opened, or closed the socket, or sent
 * bytes that are no frames.
 */
function isUnexplained(error: unknown): boolean {
  return (
    codeOf(error) === 'ECONNRESET' ||
    /^Expected |^Socket closed abruptly|^Frame size |^Invalid frame$|^Unknown frame type|^Frame on channel/.test(
      messageOf(error),
    )
  );
}

function explainEnding(ending: Ending, error: unknown, { target, tls }: Attempt): Error {
  const cause = { cause: error };
  const { host } = target;
  switch (ending.kind) {
    case 'refused':
      return explainRefusal(ending, target, cause);
    case 'foreign':
      if (tls === undefined && ending.said.readUInt8(0) === tlsAlert)
        return new ConfigError(`url: ${host} speaks TLS at this port: write amqps:`, {
          ...cause,
          code: 'broker-tls',
        });
      return new ConfigError(
        `url: ${host} does not speak AMQP 0-9-1: check the port and the transport's kind (it answers ${excerpt(ending.said)})`,
        cause,
      );
    case 'silent':
      // A broker that starts or stops does the same, and so does a balancer without a broker behind it.
      return new NotConnected(
        `${host} ends the connection without a word: if this stays so, it does not speak AMQP 0-9-1: check the port in url`,
        cause,
      );
    case 'opened':
      return classify(error);
  }
}

/** The first byte of a TLS server's answer to bytes that are not TLS. */
const tlsAlert = 0x15;

function explainRefusal(
  { code, text }: { code: number; text: string },
  { pathname }: URL,
  cause: { cause: unknown },
): Error {
  const vhost = decodeURIComponent(pathname.slice(1)) || '/';
  // For example a limit on connections, or a virtual host that is down. Both may pass.
  if (code !== replyCode.notAllowed || /\blimit \(\d+\) is reached|\bis down$/.test(text))
    return new NotConnected(`the broker refuses the connection to virtual host ${vhost}: ${text}`, cause);
  return new ConfigError(
    `the broker refuses the virtual host in url, ${vhost}: it is not there, or the user may not use it: ${text}`,
    { ...cause, code: 'broker-refuses' },
  );
}

/** The first characters of another protocol's answer, so that the user can recognize it. */
function excerpt(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1', 0, 24));
}

/** ConfigError if the broker refuses for good; otherwise NotConnected. */
export function asConfigError(error: unknown, prefix = ''): unknown {
  const code = codeOfReply(error);
  const final = [replyCode.accessRefused, replyCode.preconditionFailed, replyCode.notAllowed];
  if (!final.some((one) => one === code)) return error;
  return new ConfigError(`${prefix}${messageOf(error)}`, { cause: error });
}

/** The error of an operation on a connection, as the class of its consequence. */
export function classify(error: unknown): Error {
  const final = asConfigError(error);
  if (final instanceof ConfigError) return final;
  return error instanceof NotConnected ? error : new NotConnected(messageOf(error), { cause: error });
}

/** The reply code: a property of channel errors, and a part of the message of a handshake's error. */
export function codeOfReply(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'number') return error.code;
  const match = /\b([345]\d\d) \(/.exec(error.message);
  return match === null ? undefined : Number(match[1]);
}
