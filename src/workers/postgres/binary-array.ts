/**
 * Writes arrays in Postgres's binary form (array_recv in its arrayfuncs.c). The client library passes them on unchanged. It would write
 * them as text and quote each element with two regular expressions, numbers too, which takes a good part of a worker's time.
 */

/** Object ids of pg_type. They do not change. */
const oids = { integer: 23, text: 25, double: 701 } as const;

/** Bytes of the header: number of dimensions, whether there are nulls, type, length, lower bound. */
const headerLength = 20;

/** The most bytes that a UTF-16 unit takes in UTF-8. */
const widest = 3;

/** Encodes a parameter of type text[]. */
export function textArray(texts: ReadonlyArray<string>): Buffer {
  let room = headerLength;
  for (const text of texts) room += 4 + text.length * widest;
  const bytes = Buffer.allocUnsafe(room);
  let at = writeHeader(bytes, oids.text, texts.length);
  for (const text of texts) {
    const length = bytes.write(text, at + 4);
    bytes.writeInt32BE(length, at);
    at += 4 + length;
  }
  return bytes.subarray(0, at);
}

/** Encodes a parameter of type integer[]. */
export function integerArray(numbers: ReadonlyArray<number>): Buffer {
  const bytes = Buffer.allocUnsafe(headerLength + numbers.length * 8);
  let at = writeHeader(bytes, oids.integer, numbers.length);
  for (const number of numbers) {
    at = bytes.writeInt32BE(4, at);
    at = bytes.writeInt32BE(number, at);
  }
  return bytes;
}

/** Encodes a parameter of type double precision[]. */
export function doubleArray(numbers: ReadonlyArray<number>): Buffer {
  const bytes = Buffer.allocUnsafe(headerLength + numbers.length * 12);
  let at = writeHeader(bytes, oids.double, numbers.length);
  for (const number of numbers) {
    at = bytes.writeInt32BE(8, at);
    at = bytes.writeDoubleBE(number, at);
  }
  return bytes;
}

/** @returns the offset of the first element. */
function writeHeader(bytes: Buffer, type: number, length: number): number {
  let at = 0;
  for (const word of [1, 0, type, length, 1]) at = bytes.writeInt32BE(word, at);
  return at;
}
