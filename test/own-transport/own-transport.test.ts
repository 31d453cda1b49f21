import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { stringify } from 'yaml';
import { conformanceCases } from '../../src/conformance/index.ts';
import { loadConfig, printable } from '../../src/core/config/load.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { run, runHere } from '../command-line/support.ts';
import { runConductor } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, onlyIf } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf } from '../support/worker.ts';
import { drop, spoolModule, spoolSubject } from './subject.ts';

/** A transport of the deployer's own, by the example in examples/transport-spool. */

const test = ava.serial;
const module = fileURLToPath(spoolModule);

for (const { title, run, skip } of conformanceCases(spoolSubject)) {
  const declare = skip === undefined ? test : onlyIf(test, false, `spool: ${skip}`);
  declare(`spool: ${title}`, async (t) => {
    await run?.();
    t.pass();
  });
}

needs(test, 'postgres')(
  'a conductor applies messages that arrive by a transport from a module in its configuration',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, 'i1');
    const directory = temporaryDirectory('spool');
    const file = configure({ kind: module, auth: { mode: 'subject' } }, { url: database.url });
    const variables = { CONDUCTOR_TRANSPORTS__HERE__DIRECTORY: directory };
    const conductor = runConductor(t, ['start', '--config', file], variables);
    await conductor.log.line('consuming');
    const args = { instance_id: 'i1', sent: 1, payload: { service_status: 'running' } };
    await drop(directory, 'i1', '1', Buffer.from(JSON.stringify({ method: 'heartbeat', args })));
    const row = await waitFor(() => statusOf(database, 'i1'), { what: 'the heartbeat in Postgres' });
    t.is(row.status_description, 'running');
    conductor.signal('SIGTERM');
    t.deepEqual(await conductor.exited, { code: 0, signal: null }, conductor.output());
    t.like(await conductor.log.line('stopped'), { received: 1, applied: 1 });
    t.deepEqual(readdirSync(join(directory, 'new', 'i1')), []);
  },
);

test('a path is relative to the configuration file, and is printed as it was written', async (t) => {
  const file = configure({ kind: './own.ts', directory: '/spool' });
  writeFileSync(join(file, '../own.ts'), `export { default } from ${JSON.stringify(module)};`);
  const { code, stdout, errors } = await runHere(['check-config', file]);
  t.is(code, 0, errors.join('\n'));
  t.regex(stdout, /kind: \.\/own\.ts\n/);
  t.regex(stdout, /interval: 50\n/);
});

test('an environment variable may name the module too', async (t) => {
  const file = configure({ kind: './not-there.ts', directory: '/spool' });
  const config = await loadConfig(file, { CONDUCTOR_TRANSPORTS__HERE__KIND: module }, transportKinds);
  t.like(printable(config), { transports: { here: { kind: module, directory: '/spool' } } });
});

for (const [what, text, entry, says] of [
  [
    'that is not there',
    undefined,
    {},
    /^transports\.here\.kind: must be one of amqp091, .*cannot be loaded: Cannot find/,
  ],
  [
    'with an error in it',
    'export default {',
    {},
    /^transports\.here\.kind: .*\.\/own\.ts cannot be loaded: \S/,
  ],
  [
    'that exports something else',
    'export default 1',
    {},
    /^transports\.here\.kind: .*does not export a TransportKind/,
  ],
  [
    'whose options are wrong',
    `export { default } from ${JSON.stringify(module)};`,
    { directory: 7 },
    /^transports\.here\.directory: must be a string, not a number$/,
  ],
] as const) {
  test(`a module ${what} gives one line`, async (t) => {
    const file = configure({ kind: './own.ts', ...entry });
    if (text !== undefined) writeFileSync(join(file, '../own.ts'), text);
    const error = await t.throwsAsync(loadConfig(file, {}, transportKinds), { instanceOf: ConfigError });
    t.regex(error?.message ?? '', says);
    t.notRegex(error?.message ?? '', /\n/);
  });
}

test('a package that is not there ends the command with exit code 2', async (t) => {
  const { code, errors } = await run(t, ['check-config', configure({ kind: 'no-such-package' })]);
  t.is(code, 2);
  t.is(errors.length, 1, errors.join('\n'));
  t.regex(
    errors[0] ?? '',
    /^conductor: transports\.here\.kind: must be one of .*no-such-package cannot be loaded/,
  );
});

function configure(here: object, database: object = { url: 'postgresql://db/trove' }): string {
  const file = join(temporaryDirectory('own-transport'), 'conductor.yaml');
  writeFileSync(file, stringify({ database, transports: { here } }));
  return file;
}
