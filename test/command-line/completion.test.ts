import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ava from 'ava';
import { CommandLine } from '../../src/commands/command-line.ts';
import { completionScript } from '../../src/commands/completion-script.ts';
import { createProgram } from '../../src/commands/program.ts';
import { shells } from '../../src/commands/shells.ts';
import { findProgram, startProcess } from '../support/processes.ts';
import { onlyIf } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { run, runHere } from './support.ts';

const folder = temporaryDirectory('completion');
writeFileSync(join(folder, 'conductor.yaml'), '');

const fileOf = (shell: (typeof shells)[number]) => {
  const file = join(folder, shell);
  writeFileSync(file, completionScript(shell, createProgram(new CommandLine(), '0')));
  return file;
};

/** What each shell offers for these words, of which the last is begun. The order does not matter. */
const offers: Record<(typeof shells)[number], (words: readonly string[]) => Promise<string[]>> = {
  bash: (words) =>
    offered('bash', [
      '--norc',
      '-c',
      `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _conductor; printf '%s\\n' "\${COMPREPLY[@]}"`,
      'bash',
      fileOf('bash'),
      ...words,
    ]),
  // The functions of zsh's own completion need a terminal. They are replaced by functions that print the matches.
  zsh: async (words) =>
    (
      await offered('zsh', [
        '-f',
        '-c',
        `compdef() { }; _files() { print -l *; }; _message() { }; compadd() { shift; print -l -- "$@"; }
         _describe() { local one; for one in "\${(@P)2}"; do print -- "\${one%%:*}"; done; }
         file=$1; shift; source $file; words=("$@"); CURRENT=$#; _conductor`,
        'zsh',
        fileOf('zsh'),
        ...words,
      ])
    ).filter((one) => one.startsWith(words.at(-1) ?? '')),
  fish: async (words) =>
    (
      await offered('fish', [
        '--no-config',
        '-c',
        `source ${fileOf('fish')}; complete -C '${words.join(' ')}'`,
      ])
    ).map((line) => line.split('\t')[0] ?? ''),
};

async function offered(shell: string, args: readonly string[]): Promise<string[]> {
  const child = startProcess(shell, args, { cwd: folder });
  const { code } = await child.exited;
  if (code !== 0 || child.stderr() !== '') throw new Error(`${shell} ended with ${code}: ${child.stderr()}`);
  return child
    .stdout()
    .split('\n')
    .filter((line) => line !== '');
}

for (const shell of shells) {
  const test = onlyIf(ava, findProgram(shell) !== undefined, `not installed: apt-get install ${shell}`);
  test(`${shell} completes commands, options, choices and files`, async (t) => {
    const offer = async (...words: string[]) => (await offers[shell](words)).toSorted();
    t.deepEqual(await offer('conductor', 'de'), ['dead', 'deferred', 'demo', 'describe']);
    t.deepEqual(await offer('conductor', 'dead', 're'), ['redrive']);
    t.deepEqual(await offer('conductor', 'dead', 'list', '--co'), ['--config', '--count']);
    t.deepEqual(await offer('conductor', 'dead', 'list', '--config', 'x.yaml', '--state', 'w'), ['waiting']);
    t.deepEqual(await offer('conductor', 'start', '--config', 'cond'), ['conductor.yaml']);
    t.deepEqual(await offer('conductor', 'doctor', 'cond'), ['conductor.yaml']);
    t.deepEqual(await offer('conductor', 'completion', 'ba'), ['bash']);
    t.deepEqual(await offer('conductor', 'dead', 'list', '--method', 'l'), []);
  });
}

ava('the scripts know every command and every option', (t) => {
  const program = createProgram(new CommandLine(), '0');
  for (const shell of shells) {
    const script = completionScript(shell, program);
    for (const { name, options } of program.commands.map((one) => ({
      name: one.name(),
      options: one.options,
    }))) {
      t.true(script.includes(name), `${shell}: ${name}`);
      for (const { long } of options)
        t.true(script.includes(long?.slice(2) ?? '?'), `${shell}: ${name} ${long}`);
    }
  }
});

ava.serial('conductor completion prints the script', async (t) => {
  const { code, stdout, errors } = await run(t, ['completion', 'bash']);
  t.is(code, 0);
  t.deepEqual(errors, []);
  t.is(stdout, completionScript('bash', createProgram(new CommandLine(), '0')));
});

ava.serial('a shell that is not known ends with exit code 2 and the names of those that are', async (t) => {
  const { code, errors } = await runHere(['completion', 'csh']);
  t.is(code, 2);
  t.regex(
    errors.join('\n'),
    /^error: .*Allowed choices are bash, zsh, fish\.; try conductor completion --help$/,
  );
});
