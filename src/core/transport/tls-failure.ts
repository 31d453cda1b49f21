import { ConfigError, codeOf, messageOf } from '../errors.ts';

/** OpenSSL's codes for a server's certificate that no trusted authority has signed (verify(1), "Diagnostics"). */
const untrusted: ReadonlySet<string> = new Set([
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Alerts by which a server refuses the certificate of a client, or its absence (RFC 8446, section 6.2). */
const refusals: ReadonlyArray<readonly [alert: string, what: string]> = [
  ['CERTIFICATE_REQUIRED', 'the broker asks for a client certificate: set tls.cert and tls.key'],
  ['CERTIFICATE_EXPIRED', 'tls.cert: the broker refuses our certificate: it has expired'],
  ['CERTIFICATE_REVOKED', 'tls.cert: the broker refuses our certificate: it is revoked'],
  ['UNKNOWN_CA', 'tls.cert: the broker refuses our certificate: it does not trust who signed it'],
  ['BAD_CERTIFICATE', 'tls.cert: the broker refuses our certificate'],
  ['UNSUPPORTED_CERTIFICATE', 'tls.cert: the broker refuses our certificate: it is of another kind'],
  ['CERTIFICATE_UNKNOWN', 'tls.cert: the broker refuses our certificate'],
  ['ACCESS_DENIED', 'tls.cert: the broker refuses our certificate: access denied'],
  // Before TLS 1.3 also a missing certificate.
  ['HANDSHAKE_FAILURE', 'the broker refuses the TLS handshake: does it ask for tls.cert and tls.key?'],
  ['PROTOCOL_VERSION', 'url: the broker speaks only older versions of TLS'],
  ['UNRECOGNIZED_NAME', 'tls.serverName: the broker has no certificate for that name'],
];

/**
 * The reason of a failed handshake, in one line that names the key to look at. Undefined for errors that another try may help, and for
 * errors that are not TLS's.
 *
 * @param error of Node's tls module.
 * @param cert the file with our certificate; empty: we have none. Servers in Go answer to a missing certificate as to a bad one.
 */
export function tlsFailure(error: unknown, cert?: string): ConfigError | undefined {
  const code = codeOf(error);
  if (code === undefined) return undefined;
  const [detail = ''] = messageOf(error).trim().split('\n');
  const failure = (line: string) => new ConfigError(line, { code: 'broker-tls', cause: error });
  if (untrusted.has(code))
    return failure(`tls.ca: the broker's certificate is not signed by an authority that we trust: ${detail}`);
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return failure(`url: the broker's certificate is not valid now: ${detail}`);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return failure(`tls.serverName: the broker's certificate has another name: ${detail}`);
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return failure('url: the broker does not speak TLS at this port');
  if (!code.startsWith('ERR_SSL_')) return undefined;
  const said = cert === '' ? code.replace(/BAD_CERTIFICATE$/, 'CERTIFICATE_REQUIRED') : code;
  const refusal = refusals.find(([alert]) => said.endsWith(`ALERT_${alert}`));
  return refusal === undefined ? undefined : failure(refusal[1]);
}
