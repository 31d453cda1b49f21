import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { Rejected } from '../../../src/core/errors.ts';
import { bunzip2, TooLong } from '../../../src/core/message/codecs/bzip2.ts';
import { NotBzip2 } from '../../../src/core/message/codecs/bzip2-code.ts';
import { inflate } from '../../../src/core/message/codecs/inflate.ts';
import { cpuOf } from '../../support/cpu.ts';
import { rejection } from '../rejection.ts';

interface Sample {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
  readonly compressed: string;
}

/** What Python's bz2 writes. */
const bzip2Samples: ReadonlyArray<Sample> = JSON.parse(
  readFileSync(new URL('../../fixtures/bzip2.json', import.meta.url), 'utf8'),
);
const sampleNamed = (name: string) => {
  const sample = bzip2Samples.find((one) => one.name === name);
  if (sample === undefined) throw new Error(`there is no sample of ${name}`);
  return Buffer.from(sample.compressed, 'base64');
};

const maxBody = 262_144;
const plain = Buffer.from('{"method": "heartbeat"}'.repeat(50));

const compressed: ReadonlyArray<readonly [names: ReadonlyArray<string>, body: Buffer]> = [
  // The second is what kombu calls gzip.
  [['application/x-gzip', 'application/gzip', 'gzip', 'GZIP', 'zlib', 'application/zlib'], gzipSync(plain)],
  [
    ['application/x-gzip', 'application/gzip', 'gzip', 'deflate', 'zlib', 'application/zlib'],
    deflateSync(plain),
  ],
  [['application/x-brotli', 'brotli', 'br'], brotliCompressSync(plain)],
  [['application/zstd', 'zstd', 'zstandard'], zstdCompressSync(plain)],
];

for (const [names, body] of compressed) {
  for (const name of names) {
    const first = body.subarray(0, 2).toString('hex');
    test(`a body that begins ${first} is inflated as ${name}`, (t) => {
      t.deepEqual(Buffer.from(inflate(body, name, maxBody)), plain);
      t.deepEqual(Buffer.from(inflate(body, name, plain.length)), plain);
      t.is(
        rejection(() => inflate(body, name, plain.length - 1)),
        `too_large: inflated, the body has more than ${plain.length - 1} bytes (maxBody)`,
      );
    });

    test(`a body that begins ${first} and is cut off or changed is a bad envelope as ${name}`, (t) => {
      const cut = body.subarray(0, body.length - 5);
      const expected = new RegExp(
        `^bad_envelope: the header compression is "${name}", and the body cannot be inflated: .`,
      );
      t.regex(
        rejection(() => inflate(cut, name, maxBody)),
        expected,
      );
      t.regex(
        rejection(() => inflate(Buffer.from('{"method": "heartbeat"}'), name, maxBody)),
        expected,
      );
      t.is(
        rejection(() => inflate(Buffer.alloc(0), name, maxBody)),
        'empty: the body is empty',
      );
    });
  }
}

for (const { name, size, sha256, compressed: base64 } of bzip2Samples) {
  test(`bzip2: ${name}`, (t) => {
    const body = Buffer.from(base64, 'base64');
    for (const known of ['application/x-bz2', 'bzip2', 'bz2']) {
      const read = inflate(body, known, maxBody);
      t.is(read.length, size);
      t.is(createHash('sha256').update(read).digest('hex'), sha256);
    }
    if (size > 0) t.throws(() => bunzip2(body, size - 1), { instanceOf: TooLong });
  });
}

test('bzip2 with a changed byte, or cut off anywhere, never inflates to another content', (t) => {
  for (const name of ['a heartbeat', 'every byte', 'runs of every length']) {
    const body = sampleNamed(name);
    const whole = bunzip2(body, maxBody);
    for (let at = 0; at < body.length; at += 1) {
      t.throws(
        () => bunzip2(body.subarray(0, at), maxBody),
        { instanceOf: NotBzip2 },
        `${name}: cut at ${at}`,
      );
      for (const flip of [1, 0x80, 0xff]) {
        const changed = Buffer.from(body);
        changed[at] = (body[at] ?? 0) ^ flip;
        try {
          // The last byte may have bits that say nothing, and a level says only how long a block might have been.
          t.deepEqual(bunzip2(changed, maxBody), whole, `${name}: changed at ${at}`);
        } catch (error) {
          t.true(
            error instanceof NotBzip2 || error instanceof TooLong,
            `${name}: changed at ${at}: ${error}`,
          );
        }
      }
    }
  }
});

test('a small body that inflates to a large one is stopped at the bound, in time and memory too', (t) => {
  const bombs: ReadonlyArray<readonly [name: string, body: Buffer]> = [
    ['gzip', gzipSync(Buffer.alloc(100_000_000))],
    ['zlib', deflateSync(Buffer.alloc(100_000_000))],
    ['brotli', brotliCompressSync(Buffer.alloc(20_000_000))],
    ['zstd', zstdCompressSync(Buffer.alloc(100_000_000))],
    ['bzip2', sampleNamed('a run of 100000')],
  ];
  for (const [name, body] of bombs) {
    const inflating = () =>
      t.regex(
        rejection(() => inflate(body, name, 65_536)),
        /^too_large: inflated, the body has more than 65536 bytes/,
      );
    const cost = cpuOf(inflating, { bound: 200 });
    t.true(cost < 200, `${name}: ${cost} ms`);
  }
});

test('the error for any other compression names it and the supported ones', (t) => {
  for (const name of ['application/x-lzma', 'xz', 'snappy', '__proto__', 'constructor', 'x\0\n']) {
    t.is(
      rejection(() => inflate(plain, name, maxBody)),
      `bad_envelope: the header compression is ${JSON.stringify(name)}; gzip, zlib, bzip2, brotli and zstd are supported`,
    );
  }
});

test('any bytes are inflated or rejected, and no other error is thrown', (t) => {
  const heads = fc.constantFrom(
    '',
    'BZh9',
    'BZh1\x31\x41\x59\x26\x53\x59',
    '\x1f\x8b\x08\x00',
    '\x78\x9c',
    '\x28\xb5\x2f\xfd',
  );
  const property = fc.property(
    fc.constantFrom('gzip', 'bzip2', 'brotli', 'zstd'),
    heads,
    fc.uint8Array({ maxLength: 200 }),
    (name, head, bytes) => {
      try {
        inflate(Buffer.concat([Buffer.from(head, 'latin1'), bytes]), name, 1000);
      } catch (error) {
        t.true(error instanceof Rejected, String(error));
      }
    },
  );
  t.notThrows(() => fc.assert(property, { numRuns: 2000 }));
});
