import { isObject, type JsonObject } from '../json.ts';
import { isOption, type Section } from './validate.ts';

const mask = '***';

/** A URL with its password masked; any other text masked whole. */
export function maskSecret(secret: string): string {
  const url = URL.parse(secret);
  if (url === null) return secret === '' ? '' : mask;
  if (url.password === '') return secret;
  url.password = mask;
  return url.toString();
}

/** A copy of validated values with everything sensitive masked, to print. */
export function maskValues(section: Section, values: object): JsonObject {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      const node = section[key];
      if (isOption(node))
        return [key, node.sensitive === true && typeof value === 'string' ? maskSecret(value) : value];
      return [key, node !== undefined && isObject(value) ? maskValues(node, value) : value];
    }),
  );
}

/**
 * Masks secrets wherever they turn up in a text, whoever wrote it: a client library's error may quote the URL it was given.
 *
 * @param secrets the values of sensitive options.
 */
export function createMasker(secrets: ReadonlyArray<string>): (text: string) => string {
  const hidden = secrets.flatMap((secret) => {
    const url = URL.parse(secret);
    if (url === null) return [secret];
    if (url.password === '') return [];
    // As it stands in a URL, percent-encoded; a short one elsewhere ("guest") would mask ordinary words.
    const decoded = decodeURIComponent(url.password);
    return [`:${url.password}@`, `:${decoded}@`, ...(decoded.length >= 8 ? [decoded, url.password] : [])];
  });
  return (text) =>
    hidden.reduce(
      (masked, secret) =>
        secret === ''
          ? masked
          : masked.replaceAll(secret, secret.startsWith(':') && secret.endsWith('@') ? `:${mask}@` : mask),
      text,
    );
}

/** The values of all sensitive options. */
export function secretsIn(section: Section, values: object): string[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const node = section[key];
    if (isOption(node)) return node.sensitive === true && typeof value === 'string' ? [value] : [];
    return node !== undefined && isObject(value) ? secretsIn(node, value) : [];
  });
}
