import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { onlyIf } from '../support/services.ts';
import { python } from './support.ts';

const found = spawnSync(python, ['-c', 'import json']).status === 0;
const pythonTest = onlyIf(test, found, 'Python is not installed: apt-get install python3');

pythonTest('verify.py finds each vector as it has to be', (t) => {
  const file = fileURLToPath(new URL('../../examples/signed-messages/verify.py', import.meta.url));
  const { status, stdout } = spawnSync(python, [file], { encoding: 'utf8' });
  t.is(status, 0);
  t.regex(stdout, /^6 valid and 9 invalid messages, 0 not as expected\n$/);
});
