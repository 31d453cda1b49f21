import { createHmac, createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import {
  createSenderKey,
  decryptSenderKey,
  encryptSenderKey,
  readMasterKey,
  readSenderKey,
  senderKeyText,
} from '../../../src/core/message/sender-key.ts';
import { HmacKey, isSignedBy, readSigned, sign } from '../../../src/core/message/signature.ts';
import { wholeBody } from '../../../src/core/span.ts';

/** Signed messages, against the vectors that guests in any language check themselves against. */

interface Vector {
  readonly name: string;
  readonly key: string;
  readonly sender: string;
  readonly keyId: string;
  readonly sent: string;
  readonly messageId: string;
  readonly body: string;
  readonly message: string;
}

const file = new URL('../../../examples/signed-messages/vectors.json', import.meta.url);
const {
  valid,
  invalid,
}: {
  valid: ReadonlyArray<Vector>;
  invalid: ReadonlyArray<Pick<Vector, 'name' | 'key' | 'message'>>;
} = JSON.parse(readFileSync(file, 'utf8'));

const keyOf = ({ key }: { key: string }) => new HmacKey(Buffer.from(key, 'base64url'));

test('every valid vector is read and verified', (t) => {
  for (const vector of valid) {
    const bytes = Buffer.from(vector.message);
    const read = readSigned(wholeBody(bytes));
    if (typeof read === 'string') return t.fail(`${vector.name}: ${read}`);
    const { keyId, sender, messageId } = vector;
    t.like(read, { keyId, sender, messageId, sent: Number(vector.sent) }, vector.name);
    t.is(bytes.toString('utf8', read.begin), vector.body, vector.name);
    t.true(isSignedBy(wholeBody(bytes), keyOf(vector)), vector.name);
  }
});

test('the client signs the same bytes, with six decimals of the time', (t) => {
  const vectors = valid.filter(({ sent }) => /\.\d{6}$/.test(sent));
  t.true(vectors.length >= 3);
  for (const vector of vectors) {
    const line = { ...vector, sent: Number(vector.sent) };
    const message = sign(Buffer.from(vector.body), line, keyOf(vector));
    t.is(Buffer.from(message).toString('utf8'), vector.message, vector.name);
  }
});

test('no invalid vector is verified', (t) => {
  for (const vector of invalid) {
    const bytes = Buffer.from(vector.message);
    t.false(
      typeof readSigned(wholeBody(bytes)) !== 'string' && isSignedBy(wholeBody(bytes), keyOf(vector)),
      vector.name,
    );
  }
});

test('the code is the HMAC-SHA256 of Node for any key and any bytes', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 6000, size: 'max' }),
      (key, bytes) => {
        const mac = new HmacKey(key).mac(bytes);
        return mac === createHmac('sha256', key).update(bytes).digest('hex');
      },
    ),
  );
  t.pass();
});

test('one changed bit anywhere in a signed message is noticed', (t) => {
  const key = new HmacKey(Buffer.alloc(32, 7));
  const line = { keyId: 'k1', sender: 'i1', sent: 1795397690.5, messageId: 'm1' };
  const message = Buffer.from(sign(Buffer.from('{"method":"ping"}'), line, key));
  for (let bit = 0; bit < message.length * 8; bit += 1) {
    const altered = Buffer.from(message);
    altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const isVerified =
      typeof readSigned(wholeBody(altered)) !== 'string' && isSignedBy(wholeBody(altered), key);
    // A digit of the signature may be written in upper case. It is the same signature.
    const isCase = altered.toString('latin1').toLowerCase() === message.toString('latin1').toLowerCase();
    if (isVerified && !(isCase && bit >> 3 < 77)) return t.fail(`bit ${bit}`);
  }
  t.true(isSignedBy(wholeBody(message), key));
});

test('any bytes are read without an exception', (t) => {
  const begin = Buffer.from(`hmac-sha256 ${'0'.repeat(64)}\n`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000, size: 'max' }), fc.boolean(), (bytes, begins) => {
      const read = readSigned(wholeBody(begins ? Buffer.concat([begin, bytes]) : Buffer.from(bytes)));
      return typeof read === 'string' || read.begin > begin.length;
    }),
  );
  t.pass();
});

test('a second line is read as the pattern of the protocol says, whichever way it takes', (t) => {
  const pattern =
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it refuses them
    /^1 ([A-Za-z0-9_-]{1,64}) ([^\s\x00-\x1f\x7f-\x9f]{1,255}) (\d{1,12}(?:\.\d{1,9})?) ([^\x00-\x1f\x7f-\x9f]{0,255})$/;
  const part = (unit: string, maxLength: number) =>
    fc.string({ unit: fc.constantFrom(...unit), maxLength, size: 'max' });
  const texts = fc.tuple(
    fc.constantFrom('1 ', '1 ', '1 ', '2 ', '1', ''),
    part('aZ09_-', 66),
    fc.constantFrom(' ', ' ', ' ', '  ', ''),
    fc.oneof(part('ab.~!é\u00a0\u0085\x7f', 12), part('ab', 257)),
    fc.constantFrom(' ', ' ', ' ', '\t'),
    fc.oneof(part('0123456789', 14), fc.double({ min: 0, max: 1e12, noNaN: true }).map(String)),
    fc.oneof(
      fc.constant(''),
      part('0123456789', 11).map((decimals) => `.${decimals}`),
    ),
    fc.constantFrom(' ', ' ', ' ', ''),
    fc.oneof(part('m 1é\x7f\t', 8), part('m ', 257)),
  );
  let accepted = 0;
  fc.assert(
    fc.property(texts, (parts) => {
      const text = parts.join('');
      const body = Buffer.from(`${'x'.repeat(5)}hmac-sha256 ${'0'.repeat(64)}\n${text}\n{}`);
      const read = readSigned({ bytes: body, begin: 5, end: body.length });
      const [, keyId, sender, sent, messageId] = pattern.exec(text) ?? [];
      if (sent === undefined) return typeof read === 'string';
      accepted += 1;
      if (typeof read === 'string') return false;
      const isSame = read.keyId === keyId && read.sender === sender && read.messageId === messageId;
      return isSame && read.sent === Number(sent) && body.toString('utf8', 5 + read.begin) === '{}';
    }),
    { numRuns: 3000 },
  );
  t.true(accepted > 50, `${accepted} lines were accepted`);
});

for (const [what, second] of [
  ['a key id with a dot', '1 k.1 i1 1.5 m1'],
  ['another version', '2 k1 i1 1.5 m1'],
  ['a time with an exponent', '1 k1 i1 1e9 m1'],
  ['a negative time', '1 k1 i1 -1 m1'],
  ['a missing message id and its space', '1 k1 i1 1.5'],
  ['a control character in the message id', '1 k1 i1 1.5 m\t1'],
  ['a line of 2000 bytes', `1 k1 i1 1.5 ${'m'.repeat(2000)}`],
] as const) {
  test(`a second line with ${what} is refused`, (t) => {
    t.is(
      readSigned(wholeBody(Buffer.from(`hmac-sha256 ${'0'.repeat(64)}\n${second}\n{}`))),
      'its second line is not "1 <key id> <sender> <sent> <message id>"',
    );
  });
}

test('a key is opened with its master key and under its own names only', (t) => {
  const [master, another] = [1, 2].map((byte) => createSecretKey(Buffer.alloc(32, byte)));
  if (master === undefined || another === undefined) throw new Error('two keys were made');
  const key = createSenderKey('i1');
  const encrypted = encryptSenderKey(key, master);
  t.deepEqual(decryptSenderKey({ ...key, encrypted }, master), key.secret);
  t.is(decryptSenderKey({ ...key, encrypted }, another), undefined);
  t.is(decryptSenderKey({ ...key, sender: 'i2', encrypted }, master), undefined);
  t.is(decryptSenderKey({ ...key, keyId: 'other', encrypted }, master), undefined);
  t.is(decryptSenderKey({ ...key, encrypted: encrypted.subarray(1) }, master), undefined);
  t.false(encrypted.includes(key.secret));
});

test('the line of a key file is read back, and no other line', (t) => {
  const key = createSenderKey('i1');
  t.deepEqual(readSenderKey(`${senderKeyText(key)}\n`), key);
  for (const line of ['', 'i1', `i1 ${key.keyId} short`, `i 1 ${key.keyId} ${'A'.repeat(43)}`])
    t.is(readSenderKey(line), undefined, line);
});

test('a master key is 32 bytes in base64, base64url or hexadecimal', (t) => {
  const bytes = Buffer.alloc(32, 0xfb);
  for (const encoding of ['base64', 'base64url', 'hex'] as const)
    t.deepEqual(readMasterKey(`${bytes.toString(encoding)}\n`)?.export(), bytes, encoding);
  for (const text of ['', 'password', bytes.subarray(1).toString('base64'), 'z'.repeat(64)])
    t.is(readMasterKey(text), undefined, text);
});
