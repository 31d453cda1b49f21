import { readFileSync } from 'node:fs';

const [shebang = ''] = readFileSync(new URL('../../src/main.ts', import.meta.url), 'utf8').split('\n');

/** The options with which `conductor` starts Node, from the first line of src/main.ts: `#!/usr/bin/env -S node <options>`. */
export const nodeOptions: readonly string[] = shebang.split(' ').slice(3);
