/** A real browser, for the status page. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './processes.ts';

/** The program's path; undefined where it is not installed. */
export function findChromium(): string | undefined {
  return findProgram('chromium');
}

/** The folder in which a run keeps its pictures of the page. Git does not keep it. */
export const screenshots = fileURLToPath(new URL('../../screenshots/', import.meta.url));

export function screenshotFile(name: string): string {
  mkdirSync(screenshots, { recursive: true });
  return join(screenshots, `${name}.png`);
}
