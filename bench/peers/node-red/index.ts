import { copyFileSync, existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProcess } from '../../../test/support/processes.ts';
import { installPackages } from '../install.ts';
import type { Peer } from '../peer.ts';

const here = fileURLToPath(new URL('.', import.meta.url));

/**
 * Node-RED without its editor. Function nodes of its flow take, upsert and acknowledge, by amqplib and pg: the node of
 * node-red-contrib-amqp consumes without acknowledgements, and that of node-red-contrib-re-postgres (pg 6) does not connect on a Node that is new enough for Node-RED 5.
 */
export const nodeRed: Peer = {
  name: 'node-red',
  about: 1000,
  missing: () => installPackages('node-red', here, 'node-red'),
  start({ broker, database, folder }) {
    // Node-RED writes into its user directory, and looks there for the packages of a flow.
    copyFileSync(join(here, 'package.json'), join(folder, 'package.json'));
    const modules = join(folder, 'node_modules');
    if (!existsSync(modules)) symlinkSync(join(here, 'node_modules'), modules);
    const main = join(here, 'node_modules/node-red/red.js');
    const options = ['--settings', join(here, 'settings.cjs'), '--userDir', folder, join(here, 'flows.json')];
    const env = { ...process.env, BROKER: broker, DATABASE: database };
    return startProcess(process.execPath, [main, ...options], { env });
  },
};
