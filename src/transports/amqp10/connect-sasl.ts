import { ConfigError } from '../../core/errors.ts';
import type { Credentials } from '../../core/transport/security.ts';
import type { Amqp10Options } from './options.ts';

/** A mechanism in the client library's form: `start` returns the initial response. */
interface Mechanism {
  start(respond: (error: undefined, response: Buffer) => void): void;
  step(challenge: unknown, respond: (error: undefined, response: Buffer) => void): void;
}

type SignInOptions = Pick<Amqp10Options, 'sasl' | 'tls'>;

function mechanismOf({ sasl, tls }: SignInOptions, credentials: Credentials | undefined) {
  if (sasl !== 'auto') return sasl;
  return credentials ? 'plain' : tls.cert !== '' ? 'external' : 'anonymous';
}

/** The keys of the credentials that the broker gets, for the operator. */
export function credentialKeys(options: SignInOptions, credentials: Credentials | undefined): string {
  const keys = {
    plain: 'user, password and passwordFile, or url',
    external: 'tls.cert and sasl',
    anonymous: 'user, password and sasl',
  };
  return keys[mechanismOf(options, credentials)];
}

/**
 * The one configured mechanism, so that a broker cannot make us use a weaker one. The client library's own PLAIN counts characters where
 * it should count bytes.
 *
 * @throws ConfigError if `plain` has no user.
 */
export function saslMechanisms(
  options: SignInOptions,
  credentials: Credentials | undefined,
): Record<string, () => Mechanism> {
  switch (mechanismOf(options, credentials)) {
    case 'plain': {
      if (credentials === undefined) throw new ConfigError('sasl: plain needs a user and a password');
      // RFC 4616: authorization identity (none), user, password.
      const { user, password } = credentials;
      return { PLAIN: () => answering(Buffer.from(`\0${user}\0${password}`)) };
    }
    case 'external':
      // RFC 4422, appendix A: the identity of the certificate.
      return { EXTERNAL: () => answering(Buffer.alloc(0)) };
    case 'anonymous':
      // RFC 4505: a trace for the operator.
      return { ANONYMOUS: () => answering(Buffer.from('conductor')) };
  }
}

function answering(response: Buffer): Mechanism {
  return {
    start: (respond) => respond(undefined, response),
    step: (_, respond) => respond(undefined, Buffer.alloc(0)),
  };
}
