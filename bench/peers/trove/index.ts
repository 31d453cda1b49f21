import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, startProcess } from '../../../test/support/processes.ts';
import { hasTrove } from '../../../test/support/trove.ts';
import type { Peer } from '../peer.ts';

/** Where Debian has the tables that Trove reads at its start. */
const mappers = '/usr/lib/python3/dist-packages/trove/db/sqlalchemy/mappers.py';

/** Trove's own conductor, with its defaults but for the plain form of messages. */
export const trove: Peer = {
  name: 'trove-conductor',
  about: 150,
  missing: () =>
    Promise.resolve(
      hasTrove && findProgram('trove-conductor') !== undefined
        ? undefined
        : 'Trove is not installed: apt-get install trove-conductor python3-trove python3-psycopg2',
    ),
  // Trove looks at all its tables when it starts. Those that no heartbeat touches need an id only.
  tables() {
    const names = [...readFileSync(mappers, 'utf8').matchAll(/Table\('(\w+)'/g)].map(([, name = '']) => name);
    return names.map((name) => `CREATE TABLE IF NOT EXISTS ${name} (id varchar(36) PRIMARY KEY);`).join('\n');
  },
  start({ broker, database, folder }) {
    const file = join(folder, 'trove.conf');
    writeFileSync(
      file,
      `[DEFAULT]
transport_url = ${broker.replace('amqp://', 'rabbit://')}
control_exchange = trove
conductor_queue = trove-conductor
enable_secure_rpc_messaging = False
trove_conductor_workers = 1
[database]
connection = ${database.replace('postgresql://', 'postgresql+psycopg2://')}
[oslo_messaging_rabbit]
amqp_durable_queues = True
`,
    );
    return startProcess(findProgram('trove-conductor') ?? 'trove-conductor', ['--config-file', file]);
  },
};
