import type { Readable } from 'node:stream';

/** How much of a child's output is kept, in characters: enough for its last words, whatever it prints in its life. */
const kept = 64 * 1024;

/** Reads streams to their end, so that the child never blocks on a full pipe, and keeps the last part of their text. */
export function lastOutput(...streams: Readable[]): () => string {
  let text = '';
  for (const stream of streams) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text = (text + chunk).slice(-kept);
    });
    // A pipe that breaks says no more than the exit of the process does.
    stream.on('error', () => {});
  }
  return () => text;
}
