import { inspect } from 'node:util';
import { isObject, type JsonObject } from '../json.ts';
import { isOption, type Option, type Section } from '../options.ts';

const mask = '***';
/** Parameters of a Postgres URL that hold secrets. */
const secretParameters = ['password', 'sslpassword'];

/** The value of a sensitive option. */
export interface Secret {
  readonly text: string;
  /** Of a URL only the credentials are secret. Any other text is secret as a whole. */
  readonly isUrl: boolean;
}

/** Masks the passwords of a URL, or of several with commas between them. Masks any other text as a whole. */
export function maskSecret({ text, isUrl }: Secret): string {
  if (!isUrl) return text === '' ? '' : mask;
  return urlsIn(text).map(maskUrl).join(',');
}

/** Masks one URL. Masks a text that is no URL as a whole. */
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
  /** In the encoding of the URL. */
  readonly passwords: ReadonlyArray<string>;
}

/** A URL that names several servers, which `URL` cannot parse; undefined for any other text. */
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

/** NATS clients use a user without a password as a token. */
function isToken({ protocol, username, password }: URL): boolean {
  return username !== '' && password === '' && (protocol === 'nats:' || protocol === 'tls:');
}

/** The URLs in a text that names the servers of a cluster. A comma inside a password does not divide URLs. */
function urlsIn(text: string): string[] {
  return text.split(/,(?=\s*(?:[a-z][a-z\d+.-]*:\/\/|$))/i);
}

/** A copy of validated values, to print. Sensitive values are masked. */
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

/** Whether an option holds a URL. The value cannot say it: a password may look like a URL. */
function secretOf({ format }: Option, text: string): Secret {
  return { text, isUrl: /^\s*[a-z][a-z\d+.-]*:\/\//i.test(text) && refusesWords(format) };
}

/** Whether a format takes URLs and refuses words. */
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
 * Masks secrets anywhere in a text. A client library's error may quote the URL that it was given.
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

/** The forms that a secret may have in a text. */
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
    // A short password ("guest") would mask ordinary words, so it is masked in its URL only.
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

/** The encoded and the decoded form. */
function decoded(password: string): string[] {
  return [password, decodeURIComponent(password)];
}

/** The form in the text, the form that the parser normalizes it to, and the decoded form. */
function passwordsOf(text: string, url: URL): string[] {
  const [, written = ''] = /^[^/]*\/\/[^:/?#]*:([^/?#]*)@/.exec(text) ?? [];
  const parameters = secretParameters.flatMap((name) => url.searchParams.getAll(name));
  return [written, url.password, decodeURIComponent(url.password), ...parameters];
}

/**
 * A secret as it is and in URL encoding, each also as an error may quote it: in JSON's escapes, or in those of Node, which shows a wrong
 * argument by `inspect`. A log line is JSON, so it escapes each of them once more. None, if the secret is empty.
 */
function formsOf(secret: string): string[] {
  if (secret === '') return [];
  const encoded = secret.isWellFormed() ? [encodeURIComponent(secret)] : [];
  const quoted = [secret, ...encoded].flatMap((form) => [form, inJson(form), inspect(form).slice(1, -1)]);
  return [...new Set(quoted.flatMap((form) => [form, inJson(form)]))];
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
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

/** Secrets that are masked at most: those of many readings of the configuration. */
const mostSecrets = 1000;

/** Masks the secrets of all readings of a configuration: a replica that has read it anew may still use those of before. */
export class Masking {
  private secrets: ReadonlyArray<Secret> = [];
  private masker: (text: string) => string = (text) => text;

  constructor(secrets: ReadonlyArray<Secret> = []) {
    this.add(secrets);
  }

  add(secrets: ReadonlyArray<Secret>): void {
    const known = new Map([...this.secrets, ...secrets].map((secret) => [secret.text, secret]));
    this.secrets = [...known.values()].slice(-mostSecrets);
    this.masker = createMasker(this.secrets);
  }

  readonly mask = (text: string): string => this.masker(text);
}
