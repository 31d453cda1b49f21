import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CommandLine } from '../../src/commands/command-line.ts';
import { createProgram, namedBy } from '../../src/commands/program.ts';
import { nodeOptions } from '../support/node-options.ts';
import { root, textOf } from './support.ts';

interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** The instructions, without comments, each in one line. */
const instructions: readonly Instruction[] = textOf('deploy/Containerfile')
  .split('\n')
  .filter((line) => !line.startsWith('#'))
  .join('\n')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [, name = '', value = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    return { name, value };
  });

const named = (name: string) => instructions.filter((one) => one.name === name).map(({ value }) => value);
const lastStage = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
const words = (value: string): string[] => JSON.parse(value);

test('the image is made in stages, on a base that has a version and can be replaced', (t) => {
  t.deepEqual(named('FROM'), [`${'$'}{NODE_IMAGE} AS build`, `${'$'}{NODE_IMAGE}`]);
  t.regex(named('ARG')[0] ?? '', /^NODE_IMAGE=docker\.io\/library\/node:24-/);
});

test('the process is no root, by a number, and its files are not its own', (t) => {
  const user = lastStage.filter(({ name }) => name === 'USER');
  t.is(user.length, 1);
  t.regex(user[0]?.value ?? '', /^[1-9]\d{3,}:[1-9]\d{3,}$/);
  for (const value of named('COPY')) t.false(value.includes('--chown'), value);
});

test('packages are those of the lock file, and none of tests and tools stays', (t) => {
  const runs = named('RUN').join('\n');
  t.regex(runs, /npm ci --ignore-scripts/);
  t.regex(runs, /npm prune --omit=dev --omit=optional/);
  t.notRegex(runs, /npm (?:install|i) |curl|wget|sudo|apt-get/);
  t.deepEqual(named('ADD'), []);
});

test('each copied file is there, and the build may see it', (t) => {
  const seen = textOf('deploy/Containerfile.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  t.true(textOf('deploy/Containerfile.dockerignore').split('\n').includes('*'));
  const copied = named('COPY')
    .filter((value) => !value.startsWith('--from'))
    .flatMap((value) => value.split(' ').slice(0, -1));
  t.true(copied.length > 5);
  for (const name of copied) {
    t.true(existsSync(join(root, name)), name);
    t.true(
      seen.some((one) => name === one || name.startsWith(`${one}/`)),
      name,
    );
  }
  t.deepEqual(
    seen.filter((name) => !copied.includes(name)),
    [],
  );
});

test('the image has each file outside of the built program that the package has for it', (t) => {
  const { files }: { files: string[] } = JSON.parse(textOf('package.json'));
  const copied = lastStage
    .filter(({ name }) => name === 'COPY')
    .flatMap(({ value }) => value.split(' '))
    .map((name) => name.replace(/\/$/, ''));
  t.true(copied.includes('src/admin/page'));
  for (const name of files.filter((one) => /^(?:src|migrations)\b/.test(one)))
    t.true(copied.includes(name.replace(/\/$/, '')), name);
});

test('the image starts a replica as the command line does, with the options that bound the memory of Node', (t) => {
  const [node, ...options] = words(named('ENTRYPOINT')[0] ?? '[]');
  t.is(node, 'node');
  t.deepEqual(options.slice(0, -1), nodeOptions);
  const { bin }: { bin: Record<string, string> } = JSON.parse(textOf('package.json'));
  t.is(options.at(-1), `/opt/conductor/${bin.conductor}`);
  const program = createProgram(new CommandLine(), '0');
  t.is(namedBy(program, words(named('CMD')[0] ?? '[]')), 'conductor start');
});
