import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { type Finding, ok, warning, wrong } from './doctor-check.ts';

/**
 * How TLS begins: at once; after the greeting of a NATS server; after an SSLRequest (PostgreSQL manual, "Message Formats"); or at once with the name
 * of Postgres's protocol (libpq, sslnegotiation=direct).
 */
export type TlsStart = 'tls' | 'nats' | 'postgres' | 'postgres-direct';

/** Milliseconds to see a certificate. */
const patience = 5000;
/** Days before the end of a certificate from which it is worth a warning. */
const early = 21;
const day = 86_400_000;

/** The length 8, and the code of an SSLRequest. */
const sslRequest = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);

/**
 * The certificate that a server shows, whether or not it is to be trusted. Undefined if the server speaks no TLS. Rejects if it cannot be reached, or
 * ends the handshake.
 */
export async function certificateOf(
  host: string,
  port: number,
  start: TlsStart,
  options: ConnectionOptions = {},
): Promise<X509Certificate | undefined> {
  const tcp = connectTcp({ host, port });
  const signal = AbortSignal.timeout(patience);
  let secure: TLSSocket | undefined;
  try {
    await once(tcp, 'connect', { signal });
    if (!(await begins(tcp, start, signal))) return undefined;
    secure = connectTls({
      ...options,
      socket: tcp,
      rejectUnauthorized: false,
      ...(isIP(host) === 0 && options.servername === undefined && { servername: host }),
      ...(start === 'postgres-direct' && { ALPNProtocols: ['postgresql'] }),
    });
    await once(secure, 'secureConnect', { signal });
    return secure.getPeerX509Certificate();
  } finally {
    secure?.destroy();
    tcp.destroy();
  }
}

/** Speaks the protocol up to the handshake. Resolves with whether the server goes on to it. */
async function begins(tcp: Socket, start: TlsStart, signal: AbortSignal): Promise<boolean> {
  if (start === 'nats') {
    const [greeting] = await once(tcp, 'data', { signal });
    return /"tls_(?:required|available)":true/.test(String(greeting));
  }
  if (start !== 'postgres') return true;
  tcp.write(sslRequest);
  const [answer] = await once(tcp, 'data', { signal });
  return String(answer).startsWith('S');
}

/** Judges the time that is left of a certificate. */
export function judgeCertificate(
  whose: string,
  certificate: Pick<X509Certificate, 'validTo' | 'validFrom'>,
  code: 'broker-tls' | 'database-tls',
  now = Date.now(),
): Finding {
  const { validTo, validFrom } = certificate;
  const left = Math.floor((Date.parse(validTo) - now) / day);
  if (Date.parse(validFrom) > now)
    return wrong(code, `${whose} is valid only from ${validFrom}: look at the clocks`);
  if (left < 0) return wrong(code, `${whose} has expired on ${validTo}: renew it`);
  if (left < early) return warning(code, `${whose} expires in ${left} days, on ${validTo}: renew it`);
  return ok(`${whose} is valid for ${left} days`);
}
