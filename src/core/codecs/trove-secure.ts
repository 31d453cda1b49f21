import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { isObject, type JsonObject } from '../json.ts';
import { contextPrefix } from './oslo.ts';

/**
 * Trove's secure form within oslo.messaging's message (trove/common/rpc/conductor_guest_serializer.py): each argument is a JSON
 * text `{"entity": "<base64>", "csz-instance-id": "<id>"}`, the context is one text in base64 beside its own instance id. Method,
 * version and reply address stay readable. Secrecy without integrity: nothing but the padding and the JSON tell a forgery.
 */

/** The initialization vector stands before the data; AES's block (trove/common/crypto_utils.py). */
const ivLength = 16;

/** What a text of Trove's configuration or of an instance is to AES-256: its MD5 in hexadecimal, as 32 ASCII characters. */
export function cipherKeyOf(secret: string): Buffer {
  return Buffer.from(createHash('md5').update(secret).digest('hex'), 'latin1');
}

/** The plain text; undefined if the key does not fit or the data is none. */
export function decrypt(base64: string, key: Buffer): string | undefined {
  const data = Buffer.from(base64, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-cbc', key, data.subarray(0, ivLength));
    const plain = Buffer.concat([decipher.update(data.subarray(ivLength)), decipher.final()]);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plain);
  } catch {
    return undefined;
  }
}

/** Base64 of the vector and the encrypted text. */
export function encrypt(plain: string, key: Buffer): string {
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  return Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final()]).toString('base64');
}

/** The parts of a message that are encrypted. */
export interface Sealed {
  /** The instance whose key each of them is said to be encrypted with. */
  readonly instanceId: string;
  readonly args: ReadonlyArray<readonly [name: string, base64: string]>;
  readonly context: string;
}

/** The longest that an instance's id is (varchar(36)). */
const maxId = 36;

const contextName = `${contextPrefix}context`;
const contextIdName = `${contextPrefix}csz-instance-id`;

/** Finds the encrypted parts; a text that says what is wrong, where one is not, or not of the same instance. */
export function sealedParts(message: JsonObject): Sealed | string {
  const { [contextName]: context, [contextIdName]: instanceId, args } = message;
  if (typeof context !== 'string' || typeof instanceId !== 'string') return 'its context is not encrypted';
  if (instanceId === '' || instanceId.length > maxId || /\p{Cc}/u.test(instanceId))
    return 'csz-instance-id is no id';
  if (!isObject(args)) return 'it has no arguments';
  const sealed: [name: string, base64: string][] = [];
  for (const [name, value] of Object.entries(args)) {
    const part = readEntity(value);
    const quoted = JSON.stringify(name.slice(0, 64));
    if (part === undefined) return `argument ${quoted} is not encrypted`;
    if (part.instanceId !== instanceId)
      return `argument ${quoted} comes from another instance than the context`;
    sealed.push([name, part.entity]);
  }
  return { instanceId, args: sealed, context };
}

function readEntity(value: unknown): { entity: string; instanceId: string } | undefined {
  if (typeof value !== 'string') return undefined;
  const parsed = parse(value);
  if (!isObject(parsed)) return undefined;
  const { entity, 'csz-instance-id': instanceId } = parsed;
  return typeof entity === 'string' && typeof instanceId === 'string' ? { entity, instanceId } : undefined;
}

/** The message with its parts in plain; undefined if the key does not open every one of them. */
export function unseal(message: JsonObject, { args, context }: Sealed, key: Buffer): JsonObject | undefined {
  const plainContext = open(context, key);
  if (!isObject(plainContext)) return undefined;
  const plainArgs: [name: string, value: unknown][] = [];
  for (const [name, base64] of args) {
    const value = open(base64, key);
    if (value === undefined) return undefined;
    plainArgs.push([name, value]);
  }
  const { [contextName]: _, [contextIdName]: __, ...rest } = message;
  const entries = Object.entries(plainContext).map(([name, value]) => [`${contextPrefix}${name}`, value]);
  // What the sender left outside of the encryption is nobody's context.
  const outside = Object.entries(rest).filter(([name]) => !name.startsWith(contextPrefix));
  return { ...Object.fromEntries([...outside, ...entries]), args: Object.fromEntries(plainArgs) };
}

function open(base64: string, key: Buffer): unknown {
  const text = decrypt(base64, key);
  return text === undefined ? undefined : parse(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
