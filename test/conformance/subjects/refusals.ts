import type { Refusal } from '../../../src/conformance/subject.ts';
import type { Certificates } from '../../support/certificates.ts';
import { tlsOf } from '../../support/secure-brokers.ts';
import { make } from './subject.ts';

export interface CommonRefusals {
  readonly kind: string;
  /** What gets in. */
  readonly good: Readonly<Record<string, unknown>>;
  readonly certificates: Certificates;
  /** Whether the broker may cut the connection before it has said why. */
  readonly mayBeCut?: boolean;
}

/** Options with one thing wrong, and what the one line about it has to say. */
export type Wrong = (more: object, says: RegExp, mayBeCut?: boolean) => Refusal;

/** What goes wrong in the same way with every broker that asks for a client certificate and a password. */
export function commonRefusals({ kind, good, certificates, mayBeCut = false }: CommonRefusals) {
  const { ca, stranger, client, expired, impostor } = certificates;
  const wrong: Wrong = (more, says, mayBeCut = false) => ({
    transport: make(kind, { ...good, ...more }, 1),
    says,
    mayBeCut,
  });
  const credentials = /look at user, password and passwordFile/;
  const refusals = {
    'an authority that has not signed it': wrong(
      { tls: tlsOf(stranger, client) },
      /^tls\.ca: the broker's certificate is not signed/,
    ),
    'another name': wrong(
      { tls: { ...tlsOf(ca, client), serverName: 'broker.example' } },
      /^tls\.serverName: .*broker\.example/,
    ),
    'no client certificate': wrong({ tls: tlsOf(ca) }, /set tls\.cert and tls\.key$/, mayBeCut),
    'an expired client certificate': wrong({ tls: tlsOf(ca, expired) }, /^tls\.cert: .* expired on/),
    "a stranger's client certificate": wrong(
      { tls: tlsOf(ca, impostor) },
      /^tls\.cert: the broker (refuses|seems to refuse) our certificate/,
      mayBeCut,
    ),
    'a certificate without its key': wrong(
      { tls: { ca, cert: client.cert } },
      /^tls\.key: is required beside tls\.cert$/,
    ),
    "another certificate's key": wrong(
      { tls: { ca, cert: client.cert, key: impostor.key } },
      /^tls\.key: .* is not the key of tls\.cert/,
    ),
    'a file that is not there': wrong({ tls: { ca: '/no/such/ca.pem' } }, /^tls\.ca: cannot read the file/),
    'a wrong password': wrong({ password: 'wrong' }, credentials),
    'a user that is not there': wrong({ user: 'nobody' }, credentials),
  };
  return { wrong, refusals };
}
