import { isObject, type JsonObject } from '../json.ts';
import { isOption, type Option, type Section } from '../options.ts';

const mask = '***';
/** Postgres takes them as parameters of its URL too. */
const secretParameters = ['password', 'sslpassword'];

/** The value of a sensitive option. */
export interface Secret {
  readonly text: string;
  /** A URL is secret in its credentials only; any other text is secret as a whole, whatever it looks like. */
  readonly isUrl: boolean;
}

/** A URL, or several with commas between, with the passwords masked; any other text masked whole. */
export function maskSecret({ text, isUrl }: Secret): string {
  if (!isUrl) return text === '' ? '' : mask;
  return urlsIn(text).map(maskUrl).join(',');
}

/** Masks one URL. A text that is no URL is masked whole. */
function maskUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null) return text === '' ? '' : (readList(text)?.masked ?? mask);
  const parameters = secretParameters.filter((name) => url.searchParams.has(name));
  const token = isToken(url);
  if (url.password === '' && parameters.length === 0 && !token) return text;
  if (url.password !== '') url.password = mask;
  if (token) url.username = mask;
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

/** Clients of NATS take a user without a password for a token. */
function isToken({ protocol, username, password }: URL): boolean {
  return username !== '' && password === '' && (protocol === 'nats:' || protocol === 'tls:');
}

/** A cluster's servers stand in one text. A comma in a password is none between URLs. */
function urlsIn(text: string): string[] {
  return text.split(/,(?=\s*(?:[a-z][a-z\d+.-]*:\/\/|$))/i);
}

/** A copy of validated values with everything sensitive masked, to print. */
export function maskValues(section: Section, values: object): JsonObject {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      const node = section[key];
      if (isOption(node))
        return [
          key,
          node.sensitive === true && typeof value === 'string' ? maskSecret(secretOf(node, value)) : value,
        ];
      return [key, node !== undefined && isObject(value) ? maskValues(node, value) : value];
    }),
  );
}

/** The option says whether it holds a URL, for a password may look like one. */
function secretOf({ format }: Option, text: string): Secret {
  return { text, isUrl: /^\s*[a-z][a-z\d+.-]*:\/\//i.test(text) && refusesWords(format) };
}

/** The formats of URLs do; a password has no format, or one that a word may have. */
function refusesWords(format: Option['format']): boolean {
  if (typeof format !== 'function') return false;
  try {
    format('word');
    return false;
  } catch {
    return true;
  }
}

/**
 * Masks secrets wherever they turn up in a text, whoever wrote it: a client library's error may quote the URL it was given.
 *
 * @param secrets the values of sensitive options.
 */
export function createMasker(secrets: ReadonlyArray<Secret>): (text: string) => string {
  // The longest first: one secret may be a part of another.
  const hidden = secrets.flatMap(appearancesOf).sort((a, b) => b.secret.length - a.secret.length);
  return (text) =>
    hidden.reduce((masked, { secret, replacement }) => masked.replaceAll(secret, () => replacement), text);
}

interface Appearance {
  readonly secret: string;
  readonly replacement: string;
}

/** The forms in which a secret may turn up. */
function appearancesOf({ text, isUrl }: Secret): Appearance[] {
  if (!isUrl) return formsOf(text).map((form) => ({ secret: form, replacement: mask }));
  return urlsIn(text).flatMap(appearancesOfUrl);
}

function appearancesOfUrl(text: string): Appearance[] {
  const url = URL.parse(text);
  const passwords = url === null ? readList(text)?.passwords.flatMap(decoded) : passwordsOf(text, url);
  if (passwords === undefined) return formsOf(text).map((form) => ({ secret: form, replacement: mask }));
  const inUrl = passwords.flatMap(formsOf);
  const tokens =
    url !== null && isToken(url) ? [url.username, decodeURIComponent(url.username)].flatMap(formsOf) : [];
  return [
    // A short one elsewhere than in its URL ("guest") would mask ordinary words.
    ...[...inUrl, ...tokens]
      .filter((form) => form.length >= 8)
      .map((form) => ({ secret: form, replacement: mask })),
    ...inUrl.flatMap((form) => [
      { secret: `:${form}@`, replacement: `:${mask}@` },
      { secret: `password=${form}`, replacement: `password=${mask}` },
    ]),
    ...tokens.map((form) => ({ secret: `//${form}@`, replacement: `//${mask}@` })),
  ];
}

/** As it stands in a URL, and decoded. */
function decoded(password: string): string[] {
  return [password, decodeURIComponent(password)];
}

/** As the text has them, as the parser normalizes them, and decoded. */
function passwordsOf(text: string, url: URL): string[] {
  const [, written = ''] = /^[^/]*\/\/[^:/?#]*:([^/?#]*)@/.exec(text) ?? [];
  const parameters = secretParameters.flatMap((name) => url.searchParams.getAll(name));
  return [written, url.password, decodeURIComponent(url.password), ...parameters];
}

/** As it is, as URLs have it, and each as it stands inside a line of JSON, which log lines are. Nothing, if it is empty. */
function formsOf(secret: string): string[] {
  if (secret === '') return [];
  const encoded = secret.isWellFormed() ? [encodeURIComponent(secret)] : [];
  return [...new Set([secret, ...encoded].flatMap((form) => [form, JSON.stringify(form).slice(1, -1)]))];
}

/** The values of all sensitive options. */
export function secretsIn(section: Section, values: object): Secret[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const node = section[key];
    if (isOption(node))
      return node.sensitive === true && typeof value === 'string' && value !== ''
        ? [secretOf(node, value)]
        : [];
    return node !== undefined && isObject(value) ? secretsIn(node, value) : [];
  });
}
