import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../support/temporary.ts';

/** Secrets of every shape, none of which may be shown. Each has a word that is looked for by itself. */
export const canaries = [
  'Pa55:canary-word',
  'canary://looks-like-a-url',
  'canary:canary@canary-host',
  'nats://canary@host',
  `can"ary'canary-quotes\\`,
  '100%canary%25percent',
  'canary\nnewline-canary',
  ' canary with spaces ',
  '#canary#hash',
  'canary@at@canary',
  'kanari\u{1f426}canary\u00e9',
  '{canary: [flow]}',
  '$&canary$1',
];

/** The word. */
export const canary = /canary|kanari/i;

/** Master keys, in base64, that have the word. */
export const masterKeys = { present: `${'canary/'.repeat(6)}A=`, previous: `${'Canary+'.repeat(6)}A=` };

/** A new file with this text. */
export function fileWith(text: string, name = 'file'): string {
  const path = join(temporaryDirectory('canaries'), name);
  writeFileSync(path, text);
  return path;
}
