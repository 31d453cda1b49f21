import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import type { Command } from 'commander';
import { CommandLine } from '../../src/commands/command-line.ts';
import { createProgram, namedBy } from '../../src/commands/program.ts';
import { bareEnvironment, findProgram, startProcess } from '../support/processes.ts';
import { onlyIf } from '../support/services.ts';
import { configuration, run } from './support.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Each command below the program, with its help. */
function helps(command: Command): Array<{ readonly command: Command; readonly text: string }> {
  return command.commands.flatMap((child) => {
    const parts: string[] = [];
    child.configureOutput({ writeOut: (text) => void parts.push(text) });
    child.outputHelp();
    return [{ command: child, text: parts.join('') }, ...helps(child)];
  });
}

/** The words of a command line, as a shell takes it apart. */
const wordsOf = (line: string) => (line.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replaceAll("'", ''));

const linesOf = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(?:[A-Z_]+=\S+ )?conductor [a-z]/.test(line));

ava('the help of each command has an example', (t) => {
  const all = helps(createProgram(new CommandLine(), '0'));
  t.true(all.length > 20);
  for (const { command, text } of all) t.true(linesOf(text).length > 0, command.name());
});

ava(
  'each example in a help is a command line that is accepted, of this command or one below it',
  async (t) => {
    const lines = helps(createProgram(new CommandLine(), '0')).flatMap(({ command, text }) =>
      linesOf(text).map((line) => ({ command: command.name(), line: line.replace(/ > .*$/, '') })),
    );
    t.true(lines.length > 20);
    for (const { command, line } of lines) {
      const program = createProgram(new CommandLine(), '0');
      let ran = 0;
      const replaceActions = (one: Command) => {
        one.action(() => {
          ran += 1;
        });
        one.commands.forEach(replaceActions);
      };
      program.commands.forEach(replaceActions);
      const words = wordsOf(line.replace(/^[A-Z_]+=\S+ /, '')).slice(1);
      await t.notThrowsAsync(program.parseAsync(words, { from: 'user' }), line);
      t.is(ran, 1, line);
      t.true(namedBy(program, words).split(' ').includes(command), line);
    }
  },
);

const script = findProgram('script');
const terminalTest = onlyIf(ava.serial, script !== undefined, 'script is missing: apt-get install bsdutils');

/** Runs doctor on a terminal that `script` makes. */
async function onTerminal(variables: Readonly<Record<string, string>>): Promise<string> {
  const file = configuration(
    'database: { url: "postgresql://conductor:a-secret@127.0.0.1:1/trove" }',
    'transports: { edge: { kind: mqtt, url: "mqtt://127.0.0.1:1" } }',
  );
  const child = startProcess(
    script ?? '',
    [
      '--quiet',
      '--return',
      '--command',
      `${process.execPath} ${main} doctor ${file}`,
      join(file, '..', 'typescript'),
    ],
    { env: { ...bareEnvironment(), TERM: 'xterm-256color', ...variables } },
  );
  await child.exited;
  return child.output();
}

terminalTest('doctor is coloured and shows its progress on a terminal', async (t) => {
  const output = await onTerminal({});
  t.true(output.includes('\u{1b}[31mwrong'), output);
  t.true(output.includes('looking at transports.edge'), output);
});

terminalTest('doctor has no colours on a terminal with NO_COLOR', async (t) => {
  const output = await onTerminal({ NO_COLOR: '1' });
  t.true(output.includes('wrong '), output);
  t.false(output.includes('\u{1b}[31m'), output);
});

ava.serial('doctor has neither colours nor progress where there is no terminal', async (t) => {
  const file = configuration('database: { url: "postgresql://127.0.0.1:1/trove" }');
  const { stdout, errors } = await run(t, ['doctor', file], { FORCE_COLOR: '1' });
  t.true(stdout.startsWith('wrong '), stdout);
  t.false(`${stdout}${errors.join()}`.includes('\u{1b}'));
});
