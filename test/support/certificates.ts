/** Authorities and certificates, made by openssl when a test needs them: none lies in the repository, and none expires unnoticed. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from './processes.ts';
import { temporaryDirectory } from './temporary.ts';

/** A certificate and its key, each as the path of a PEM file. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  /** The authority that has signed everything here but what `stranger` has. */
  readonly ca: string;
  /** Another authority, which has signed `impostor`. */
  readonly stranger: string;
  /** A server's, for `localhost` and 127.0.0.1. */
  readonly server: Certificate;
  /** A client's, with the common name `conductor`. */
  readonly client: Certificate;
  /** The same, but its time is over. */
  readonly expired: Certificate;
  /** A client's, signed by the stranger. */
  readonly impostor: Certificate;
}

/** Makes them in a directory of their own, which goes with the process. Takes half a second. */
export function makeCertificates(): Certificates {
  const program = findProgram('openssl');
  if (program === undefined) throw new Error('openssl is not installed');
  const directory = temporaryDirectory('certificates');
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => void execFileSync(program, args, { cwd: directory, stdio: 'pipe' });

  const authority = (name: string) => {
    const [cert, key] = [file(`${name}.crt`), file(`${name}.key`)];
    openssl(...newKey, '-x509', '-days', '2', '-subj', `/CN=${name}`, '-keyout', key, '-out', cert);
    return { cert, key };
  };
  const issue = (name: string, by: Certificate, subject: string, extensions: string[], days = 2) => {
    const [cert, key, request] = [file(`${name}.crt`), file(`${name}.key`), file(`${name}.csr`)];
    openssl(...newKey, '-subj', subject, '-keyout', key, '-out', request);
    writeFileSync(file(`${name}.ext`), `${extensions.join('\n')}\n`);
    const signing = ['-CA', by.cert, '-CAkey', by.key, '-CAcreateserial', '-extfile', file(`${name}.ext`)];
    openssl('x509', '-req', '-in', request, ...signing, '-days', String(days), '-out', cert);
    // A broker that is started as root may read it as another user.
    chmodSync(key, 0o644);
    return { cert, key };
  };

  const ca = authority('ca');
  const stranger = authority('stranger');
  const asClient = ['extendedKeyUsage=clientAuth'];
  const client = issue('client', ca, '/CN=conductor', asClient);
  return {
    ca: ca.cert,
    stranger: stranger.cert,
    server: issue('server', ca, '/CN=localhost', [
      'extendedKeyUsage=serverAuth',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
    ]),
    client,
    expired: issue('expired', ca, '/CN=conductor', asClient, -1),
    impostor: issue('impostor', stranger, '/CN=conductor', asClient),
  };
}

const newKey = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];

/** The same certificates under other paths, to be replaced while somebody uses them. */
export function copyOf({ cert, key }: Certificate): Certificate {
  const directory = temporaryDirectory('certificate');
  const copy = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
  copyFileSync(cert, copy.cert);
  copyFileSync(key, copy.key);
  return copy;
}
