import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { nodeOptions } from '../../test/support/node-options.ts';
import { startProcess } from '../../test/support/processes.ts';
import type { Peer } from './peer.ts';

/** This one, as a deployer starts it. */
export const conductor: Peer = {
  name: 'conductor',
  about: 20_000,
  missing: () => Promise.resolve(undefined),
  start({ broker, database, folder }) {
    const file = join(folder, 'conductor.yaml');
    const transports = { bench: { kind: 'amqp091', url: broker, codec: 'oslo' } };
    writeFileSync(file, stringify({ replica: 'bench', database: { url: database }, transports }));
    const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
    // No variable of another conductor's configuration.
    const variables = Object.entries(process.env).filter(([name]) => !name.startsWith('CONDUCTOR_'));
    const env = Object.fromEntries(variables);
    return startProcess(process.execPath, [...nodeOptions, main, 'start', '--config', file], { env });
  },
};
