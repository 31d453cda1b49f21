import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

/** A new directory, removed with all that is in it when this process ends. */
export function temporaryDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `conductor-${name}-`));
  // A server that runs as another user must be able to enter it.
  chmodSync(path, 0o711);
  if (made.length === 0) process.once('exit', removeAll);
  made.push(path);
  return path;
}

function removeAll(): void {
  // Child processes may be writing their last words into them still: then try again.
  for (const path of made) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
}
