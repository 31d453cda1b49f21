import { brotliDecompressSync, constants, unzipSync, zstdDecompressSync } from 'node:zlib';
import { codeOf, messageOf, Rejected } from '../../errors.ts';
import { bunzip2, TooLong } from './bzip2.ts';
import { isOneFrame } from './zstd-frame.ts';

/** Inflates. Throws if the bytes are no such stream, or if the output exceeds `maxLength` bytes. */
type Inflate = (body: Uint8Array, maxOutputLength: number) => Buffer;

/** The largest window in memory, in bits: 8 MiB, which all readers of zstd have to support. */
const zstdWindow = 23;

/** Decides between gzip and zlib by the first bytes, since the stream that kombu calls gzip is a zlib stream. */
const zip: Inflate = (body, maxOutputLength) => unzipSync(body, { maxOutputLength });
const brotli: Inflate = (body, maxOutputLength) => brotliDecompressSync(body, { maxOutputLength });
const zstd: Inflate = (body, maxOutputLength) => {
  const inflated = zstdDecompressSync(body, {
    maxOutputLength,
    params: { [constants.ZSTD_d_windowLogMax]: zstdWindow },
  });
  if (!isOneFrame(body)) throw new Error('it is not one whole frame');
  return inflated;
};

/** By the names of kombu (kombu/compression.py) and of HTTP. */
const inflaters: ReadonlyMap<string, Inflate> = new Map([
  ...named(zip, 'application/x-gzip', 'application/gzip', 'gzip', 'x-gzip'),
  ...named(zip, 'application/zlib', 'zlib', 'deflate'),
  ...named(bunzip2, 'application/x-bz2', 'application/x-bzip2', 'bzip2', 'bzip', 'bz2'),
  ...named(brotli, 'application/x-brotli', 'brotli', 'br'),
  ...named(zstd, 'application/zstd', 'zstd', 'zstandard'),
]);

function named(inflate: Inflate, ...names: string[]): [string, Inflate][] {
  return names.map((name) => [name, inflate]);
}

/**
 * Inflates a compressed body. Throws Rejected.
 *
 * @param compression the name that the sender gives.
 * @param maxBody bytes of the plain body at most.
 */
export function inflate(body: Uint8Array, compression: string, maxBody: number): Uint8Array {
  if (body.length === 0) throw new Rejected('empty', 'the body is empty');
  const inflater = inflaters.get(compression.toLowerCase());
  if (inflater === undefined) {
    throw new Rejected(
      'bad_envelope',
      `the header compression is ${JSON.stringify(compression)}; gzip, zlib, bzip2, brotli and zstd are supported`,
    );
  }
  try {
    return inflater(body, maxBody);
  } catch (error) {
    if (error instanceof TooLong || codeOf(error) === 'ERR_BUFFER_TOO_LARGE')
      throw new Rejected('too_large', `inflated, the body has more than ${maxBody} bytes (maxBody)`);
    throw new Rejected(
      'bad_envelope',
      `the header compression is ${JSON.stringify(compression)}, and the body cannot be inflated: ${messageOf(error)}`,
    );
  }
}
