import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { configurationOf, environmentWithoutOurs } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';
import { needs, onlyIf, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { python } from '../support/trove.ts';
import { openNats } from './nats-broker.ts';

const program = fileURLToPath(new URL('../fixtures/terminal.py', import.meta.url));
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

const onTerminal = existsSync(python)
  ? needs(test, 'nats', 'postgres')
  : onlyIf(test, false, `${python} is not installed: apt-get install python3`);

onTerminal('a replica whose terminal is closed stops in order', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const broker = await openNats(service('nats'));
  const file = join(temporaryDirectory('terminal'), 'conductor.yaml');
  writeFileSync(file, configurationOf({ database: database.url, transports: { guests: broker.entry() } }));
  const command = [process.execPath, main, 'start', '--config', file];
  const terminal = startProcess(python, [program, 'consuming', ...command], {
    env: environmentWithoutOurs(),
  });
  t.teardown(terminal.kill);
  await terminal.exited;
  t.is(terminal.stdout().trim(), 'ended with 0');
});
