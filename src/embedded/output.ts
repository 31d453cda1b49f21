import type { Readable } from 'node:stream';

/** Characters of a child's output that are kept: its last lines. */
const kept = 64 * 1024;

/** Reads streams to their end, so that the child never blocks on a full pipe. Keeps the last part of their text. */
export function lastOutput(...streams: Readable[]): () => string {
  let text = '';
  for (const stream of streams) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text = (text + chunk).slice(-kept);
    });
    // The exit of the process says as much as a broken pipe.
    stream.on('error', () => {});
  }
  return () => text;
}
