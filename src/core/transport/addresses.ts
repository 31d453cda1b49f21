import { ConfigError, messageOf, NotConnected } from '../errors.ts';

/** The addresses in an option `url`, which are separated by commas. */
export function addressesIn(url: string): string[] {
  return url.split(',').map((one) => one.trim());
}

/**
 * Connects to the first address at which the attempt succeeds. An address without a user and a password takes those of the first
 * address; the same holds for path and query.
 *
 * Rejects with ConfigError if every attempt does: a single one may be the fault of its server. Otherwise rejects with NotConnected,
 * which names each address and its reason.
 */
export async function connectToFirst<Connection>(
  url: string,
  attempt: (address: string) => Promise<Connection>,
): Promise<Connection> {
  const [first = '', ...others] = addressesIn(url);
  const failures: { address: string; error: unknown }[] = [];
  for (const address of [first, ...others.map((other) => signedInAs(first, other))]) {
    try {
      return await attempt(address);
    } catch (error) {
      failures.push({ address, error });
    }
  }
  const [failure] = failures;
  if (failures.length === 1 || failures.every(({ error }) => error instanceof ConfigError))
    throw failure?.error;
  throw new NotConnected(
    failures.map(({ address, error }) => `${hostOf(address)}: ${messageOf(error)}`).join('; '),
  );
}

function signedInAs(first: string, other: string): string {
  const [own, signedIn] = [URL.parse(other), URL.parse(first)];
  if (own === null || signedIn === null) return other;
  if (own.username === '' && own.password === '') {
    own.username = signedIn.username;
    own.password = signedIn.password;
  }
  if (own.pathname === '' || own.pathname === '/') own.pathname = signedIn.pathname;
  own.search ||= signedIn.search;
  return own.href;
}

function hostOf(address: string): string {
  return URL.parse(address)?.host ?? 'an address';
}
