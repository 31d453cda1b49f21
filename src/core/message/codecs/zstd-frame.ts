/** The magic number of a frame (RFC 8878, section 3.1.1). */
const magic = 0xfd2fb528;

/** Bytes of the dictionary's id and of the content's size, by the flags in the frame's header (section 3.1.1.1). */
const dictionaryBytes = [0, 1, 2, 4];
const sizeBytes = [0, 2, 4, 8];

/** The type of a block that repeats one byte (section 3.1.1.2). */
const repeated = 1;

/**
 * Whether a zstd stream is one frame, and nothing behind it. Node inflates the first frame only and says nothing about the rest, and Node 22
 * inflates the beginning of a frame that is cut off. The content of the blocks is not looked at: it has been inflated.
 */
export function isOneFrame(stream: Uint8Array): boolean {
  const bytes = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  return stream.length >= 8 && bytes.getUint32(0, true) === magic && frameEnd(bytes, 4) === stream.length;
}

/** The offset behind a frame, beyond the bytes if it is cut off. @param start behind its magic number. */
function frameEnd(bytes: DataView, start: number): number {
  const cut = bytes.byteLength + 1;
  const flags = bytes.getUint8(start);
  const isSingleSegment = (flags & 0x20) !== 0;
  const size = sizeBytes[flags >> 6] || (isSingleSegment ? 1 : 0);
  let at = start + 1 + (isSingleSegment ? 0 : 1) + (dictionaryBytes[flags & 3] ?? 0) + size;
  for (let isLast = false; !isLast; ) {
    if (at + 3 > bytes.byteLength) return cut;
    const block = bytes.getUint16(at, true) | (bytes.getUint8(at + 2) << 16);
    isLast = (block & 1) === 1;
    at += 3 + (((block >> 1) & 3) === repeated ? 1 : block >> 3);
  }
  const hasChecksum = (flags & 4) !== 0;
  return at + (hasChecksum ? 4 : 0);
}
