import { isObject, type JsonObject } from '../json.ts';
import { isOption, type Section } from './validate.ts';

const mask = '***';
/** Postgres takes them as parameters of its URL too. */
const secretParameters = ['password', 'sslpassword'];

/** A URL with its passwords masked; any other text masked whole. */
export function maskSecret(secret: string): string {
  const url = URL.parse(secret);
  if (url === null) return secret === '' ? '' : (readList(secret)?.masked ?? mask);
  const parameters = secretParameters.filter((name) => url.searchParams.has(name));
  if (url.password === '' && parameters.length === 0) return secret;
  if (url.password !== '') url.password = mask;
  for (const name of parameters) url.searchParams.set(name, mask);
  return url.toString();
}

interface ServerList {
  readonly masked: string;
  /** As they stand in the URL. */
  readonly passwords: ReadonlyArray<string>;
}

/** A URL that names several servers, which is none to the platform; undefined for any other text. */
function readList(text: string): ServerList | undefined {
  const parts =
    /^(\w+:\/\/[^:/?]*)(?::([^/?]*))?(@[^@/?]*)(.*)$/s.exec(text) ??
    /^(\w+:\/\/)()([^@/?]*)(.*)$/s.exec(text);
  const [, begin = '', password = '', hosts = '', rest = ''] = parts ?? [];
  if (!hosts.includes(',')) return undefined;
  const passwords = password === '' ? [] : [password];
  const end = rest.replace(parameterPattern, (_, name: string, value: string) => {
    passwords.push(value);
    return `${name}${mask}`;
  });
  return { masked: `${begin}${password === '' ? '' : `:${mask}`}${hosts}${end}`, passwords };
}

const parameterPattern = new RegExp(`([?&](?:${secretParameters.join('|')})=)([^&]*)`, 'g');

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
  const hidden = secrets.flatMap(appearancesOf);
  return (text) =>
    hidden.reduce((masked, { secret, replacement }) => masked.replaceAll(secret, replacement), text);
}

interface Appearance {
  readonly secret: string;
  readonly replacement: string;
}

/** The forms in which a secret may turn up. */
function appearancesOf(secret: string): Appearance[] {
  const passwords = passwordsIn(secret);
  if (passwords === undefined) return formsOf(secret).map((form) => ({ secret: form, replacement: mask }));
  return passwords.flatMap(formsOf).flatMap((form) => [
    // A short one elsewhere than in its URL ("guest") would mask ordinary words.
    ...(form.length >= 8 ? [{ secret: form, replacement: mask }] : []),
    { secret: `:${form}@`, replacement: `:${mask}@` },
    { secret: `password=${form}`, replacement: `password=${mask}` },
  ]);
}

/** Those in a URL, as they stand there and decoded; undefined if it is none. */
function passwordsIn(secret: string): string[] | undefined {
  const url = URL.parse(secret);
  if (url !== null) {
    const parameters = secretParameters.flatMap((name) => url.searchParams.getAll(name));
    return [url.password, decodeURIComponent(url.password), ...parameters];
  }
  return readList(secret)?.passwords.flatMap((password) => [password, decodeURIComponent(password)]);
}

/** As it is and as it stands inside a line of JSON, which log lines are. Nothing, if it is empty. */
function formsOf(secret: string): string[] {
  return secret === '' ? [] : [secret, JSON.stringify(secret).slice(1, -1)];
}

/** The values of all sensitive options. */
export function secretsIn(section: Section, values: object): string[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const node = section[key];
    if (isOption(node))
      return node.sensitive === true && typeof value === 'string' && value !== '' ? [value] : [];
    return node !== undefined && isObject(value) ? secretsIn(node, value) : [];
  });
}
