/** `npm run test:brokers`: the conformance suite on further brokers, one file at a time, for each has the machine to itself. */
import { readFileSync } from 'node:fs';

const { ava } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

export default { ...ava, files: ['test/conformance/brokers/*.broker.ts'], concurrency: 1 };
