import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CommandLine } from '../../src/commands/command-line.ts';
import { createProgram } from '../../src/commands/program.ts';
import { findProgram, startProcess } from '../support/processes.ts';
import { onlyIf } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { readConfig, textOf } from './support.ts';

const unit = textOf('deploy/systemd/conductor@.service');
const values = (key: string) =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);

const analyze = findProgram('systemd-analyze');
const analyzed = onlyIf(test, analyze !== undefined, 'systemd-analyze is missing: apt-get install systemd');

/** Runs `systemd-analyze` on the unit, whose program need not be installed here. */
async function run(t: ExecutionContext, ...args: string[]): Promise<string> {
  const file = join(temporaryDirectory('systemd'), 'conductor@.service');
  writeFileSync(file, unit.replaceAll('/usr/local/bin/conductor', '/bin/true'));
  const child = startProcess(analyze ?? '', [...args, file]);
  t.is((await child.exited).code, 0, child.output());
  return child.output();
}

analyzed('systemd accepts the unit without a word', async (t) => {
  t.is(await run(t, 'verify'), '');
});

analyzed('the exposure of the unit is at most 1.5 of 10, and docs/deploying.md quotes it', async (t) => {
  const output = await run(t, 'security', '--offline=true', '--threshold=15', '--no-pager');
  const [, exposure] = /Overall exposure level.*: ([\d.]+) /.exec(output) ?? [];
  const version = startProcess(analyze ?? '', ['--version']);
  await version.exited;
  const [, quotedVersion, quoted] =
    /of systemd (\d+) says ([\d.]+),/.exec(textOf('docs/deploying.md').replaceAll('\n', ' ')) ?? [];
  t.truthy(quoted);
  // Another version weighs the settings in another way.
  if (version.output().startsWith(`systemd ${quotedVersion} `)) t.is(exposure, quoted);
});

test('the command of the unit is one that the command line accepts', async (t) => {
  const program = createProgram(new CommandLine(), '0');
  let file = '';
  program.commands
    .find((one) => one.name() === 'start')
    ?.action(({ config }: { config: string }) => {
      file = config;
    });
  await program.parseAsync((values('ExecStart')[0] ?? '').split(' ').slice(1), { from: 'user' });
  t.is(file, '/etc/conductor/conductor.yaml');
});

test('the variables of the unit are those of the configuration, and a replica has time to stop', (t) => {
  const environment = Object.fromEntries(
    values('Environment').map((line) => line.replaceAll('%d', '/credentials').split('=')),
  );
  const config = readConfig(
    'database: { url: postgresql://conductor@db/trove }',
    '/credentials',
    environment,
  );
  t.is(config.replica, '%H-%i');
  t.true(Number(values('TimeoutStopSec')[0]) * 1000 > config.shutdown.deadline);
});

test('the unit gives each file of a secret as a credential, and none as a variable', (t) => {
  const credentials = values('LoadCredential').map((line) => line.split(':')[0]);
  t.deepEqual(credentials, ['database']);
  for (const [, name] of unit.matchAll(/_FILE=%d\/(\w+)$/gm))
    if (name !== 'broker') t.true(credentials.includes(name));
  t.notRegex(unit, /PASSWORD=|PASSWORD: /);
});
