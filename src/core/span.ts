/** A body: a part of some bytes. A view of it costs garbage collection, so it is made only where it is read. */
export interface Span {
  readonly bytes: Buffer;
  readonly begin: number;
  readonly end: number;
}

/** A view of the body. */
export function bodyOf({ bytes, begin, end }: Span): Buffer {
  return bytes.subarray(begin, end);
}

/** The span of a body that has bytes of its own. */
export function wholeBody(bytes: Buffer): Span {
  return { bytes, begin: 0, end: bytes.length };
}
