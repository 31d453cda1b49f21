import { readFileSync } from 'node:fs';
import test from 'ava';
import { holdCauses } from '../../src/core/hold-causes.ts';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

test('docs/errors.md has an entry for each code, and no other', (t) => {
  const entries = [...page.matchAll(/^### (.+)$/gm)].map(([, code]) => code);
  t.deepEqual(entries.toSorted(), [...holdCauses].toSorted());
});
