import { constants, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { inflate } from '../../../src/core/message/codecs/inflate.ts';
import { isOneFrame } from '../../../src/core/message/codecs/zstd-frame.ts';
import { rejection } from '../rejection.ts';

/** Of several sizes and kinds, so that frames have all fields and blocks of all types. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc
    .record({ byte: fc.nat(255), length: fc.nat(300_000) })
    .map(({ byte, length }) => new Uint8Array(length).fill(byte)),
  fc.string({ maxLength: 300 }).map((text) => Buffer.from(text.repeat(200))),
);
const flag = fc.constantFrom(0, 1);
const compressed = fc
  .record({ content, checksum: flag, size: flag, level: fc.constantFrom(-5, 3, 19) })
  .map(({ content, checksum, size, level }) =>
    zstdCompressSync(content, {
      params: {
        [constants.ZSTD_c_checksumFlag]: checksum,
        [constants.ZSTD_c_contentSizeFlag]: size,
        [constants.ZSTD_c_compressionLevel]: level,
      },
    }),
  );
test('a frame is whole. Its beginnings are not, nor is it with bytes behind it', (t) => {
  const behind = fc.uint8Array({ minLength: 1, maxLength: 20 });
  const property = fc.property(compressed, behind, fc.nat(), (frame, rest, place) => {
    const others = [frame.subarray(0, place % frame.length), Buffer.concat([frame, rest])];
    return isOneFrame(frame) && others.every((one) => !isOneFrame(one));
  });
  fc.assert(property, { numRuns: 300 });
  t.pass();
});

test('a body of several frames is refused, of which Node would inflate the first', (t) => {
  const [first, second] = ['{"method":"ping"}', '{}'].map((text) => zstdCompressSync(text));
  if (first === undefined || second === undefined) throw new Error('nothing is compressed');
  t.is(Buffer.from(inflate(first, 'zstd', 1000)).toString(), '{"method":"ping"}');
  t.regex(
    rejection(() => inflate(Buffer.concat([first, second]), 'zstd', 1000)),
    /^bad_envelope: .* it is not one whole frame$/,
  );
});

test('any bytes are read without an error', (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }).map((rest) => Buffer.concat([Buffer.from('28b52ffd', 'hex'), rest])),
  );
  fc.assert(
    fc.property(bytes, (all) => typeof isOneFrame(all) === 'boolean'),
    { numRuns: 2000 },
  );
  t.pass();
});
