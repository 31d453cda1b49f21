import { isUtf8 } from 'node:buffer';
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { isObject, type JsonObject } from '../../json.ts';
import { contextPrefix } from './oslo.ts';

/**
 * Trove's secure form of oslo.messaging's message (trove/common/rpc/conductor_guest_serializer.py). Each argument is a JSON text
 * `{"entity": "<base64>", "csz-instance-id": "<id>"}`. The context is one base64 text beside its own instance id. Method, version and
 * reply address stay readable. The form has no integrity check: only the padding and the JSON reveal a forgery.
 */

/** AES's block, in bytes. The initialization vector is one block and precedes the data (trove/common/crypto_utils.py). */
const blockLength = 16;

/** Makes the AES-256 key of a text of Trove's configuration or of an instance: the text's MD5 in hexadecimal, as 32 ASCII characters. */
export function cipherKeyOf(secret: string): KeyObject {
  // A key object, since each use of a key in bytes would prepare it again.
  return createSecretKey(createHash('md5').update(secret).digest('hex'), 'latin1');
}

/** The plain text; undefined if the key does not fit or the data is not encrypted. */
export function decrypt(base64: string, key: KeyObject): string | undefined {
  return decryptAll([base64], key)?.[0];
}

/**
 * The plain texts; undefined if the key does not fit all of them.
 *
 * One pass of the cipher decrypts all texts, since for such short texts a pass costs more to set up than to run. CBC decrypts a block
 * with the key and the block before it. Each part begins with its own vector, so concatenated parts decrypt correctly; the plain blocks
 * in place of the vectors are left out.
 */
function decryptAll(parts: ReadonlyArray<string>, key: KeyObject): string[] | undefined {
  const data = parts.map((base64) => Buffer.from(base64, 'base64'));
  if (data.some(({ length }) => length % blockLength !== 0 || length < 2 * blockLength)) return undefined;
  const decipher = createDecipheriv('aes-256-cbc', key, noVector).setAutoPadding(false);
  const plain = decipher.update(data.length === 1 && data[0] !== undefined ? data[0] : Buffer.concat(data));
  const texts: string[] = [];
  let end = 0;
  for (const { length } of data) {
    const begin = end + blockLength;
    end += length;
    const text = textWithin(plain.subarray(begin, end));
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return texts;
}

const noVector = Buffer.alloc(blockLength);

/** Removes the padding: each of its bytes holds the padding's length, from 1 to a whole block (PKCS#7). */
function textWithin(padded: Buffer): string | undefined {
  const padding = padded.at(-1) ?? 0;
  if (padding < 1 || padding > blockLength) return undefined;
  const length = padded.length - padding;
  for (let at = length; at < padded.length; at += 1) if (padded[at] !== padding) return undefined;
  const plain = padded.subarray(0, length);
  return isUtf8(plain) ? plain.toString('utf8') : undefined;
}

/** Encrypts to the base64 of the vector and the encrypted text. */
export function encrypt(plain: string, key: KeyObject): string {
  const iv = randomBytes(blockLength);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  return Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final()]).toString('base64');
}

/** The encrypted parts of a message. */
export interface Sealed {
  /** The instance whose key encrypts them, as the message claims. */
  readonly instanceId: string;
  readonly args: ReadonlyArray<readonly [name: string, base64: string]>;
  readonly context: string;
}

/** The longest id of an instance: varchar(36). */
const maxId = 36;

const contextName = `${contextPrefix}context`;
const contextIdName = `${contextPrefix}csz-instance-id`;

/** Finds the encrypted parts. Returns a text with the problem if one is not encrypted, or belongs to another instance. */
export function sealedParts(message: JsonObject): Sealed | string {
  const { [contextName]: context, [contextIdName]: instanceId, args } = message;
  if (typeof context !== 'string' || typeof instanceId !== 'string') return 'its context is not encrypted';
  if (instanceId === '' || instanceId.length > maxId || /\p{Cc}/u.test(instanceId))
    return 'csz-instance-id is not an id';
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

/** The decrypted parts of a message. */
export interface Unsealed {
  readonly args: JsonObject;
  readonly context: JsonObject;
}

/** Decrypts every part; undefined if the key does not fit one of them. */
export function unseal({ args, context }: Sealed, key: KeyObject): Unsealed | undefined {
  const texts = decryptAll([context, ...args.map(([, base64]) => base64)], key);
  if (texts === undefined) return undefined;
  const [plainContext, ...values] = texts.map(parse);
  if (!isObject(plainContext) || values.includes(undefined)) return undefined;
  const entries = args.map(([name], index) => [name, values[index]] as const);
  return { args: Object.fromEntries(entries), context: plainContext };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
