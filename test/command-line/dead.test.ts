import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import ava, { type ExecutionContext } from 'ava';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { bareEnvironment, startProcess } from '../support/processes.ts';
import { needs } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { fileOf, lettersWhere, someLetters } from './dead-support.ts';
import { run, runHere } from './support.ts';

// One at a time: some are processes, each of which takes half a second of a core to start.
const test = needs(ava.serial, 'postgres');

async function prepared(t: ExecutionContext): Promise<{ database: TestDatabase; config: string[] }> {
  const database = await createDatabase(t, { migrated: true });
  await someLetters(database);
  return { database, config: ['--config', fileOf(database)] };
}

test('dead list prints a table that no sender can write control characters into, and says if there is more', async (t) => {
  const { config } = await prepared(t);
  const { stdout, errors } = await run(t, ['dead', 'list', '--limit', '4', ...config]);
  t.deepEqual(errors, []);
  const lines = stdout.split('\n');
  t.regex(lines[0] ?? '', /^id +died +transport +reason +method +instance +sender +state +detail$/);
  t.regex(lines[4] ?? '', /^3 .* rabbit +refused +update_backup +i1 +dead +a\u{fffd}\[2Jb$/u);
  t.is(lines[5], 'There are more: raise --limit.');
});

test('dead list --json has all but the bodies, and --count counts', async (t) => {
  const { config } = await prepared(t);
  const { stdout } = await runHere(['dead', 'list', '--reason', 'refused', '--json', ...config]);
  const { dead, more }: { dead: { id: string }[]; more: boolean } = JSON.parse(stdout);
  t.false(more);
  t.like(dead[1], { id: '2', state: 'dead', reason: 'refused', sender: 'i2', refusal: null, redrives: 0 });
  t.false(stdout.includes('\\"n\\"'));
  const counted = await runHere(['dead', 'list', '--count', ...config]);
  t.regex(counted.stdout, /^edge +bad_argument +dead +1 +1 /m);
});

test('dead show prints all of a letter, its body without control characters', async (t) => {
  const { database, config } = await prepared(t);
  await database.query(
    `UPDATE dead_letters SET body = convert_to(E'{"n":\\n"\\u001b[2J"}', 'UTF8') WHERE id = 2`,
  );
  const shown = await run(t, ['dead', 'show', '2', ...config]);
  t.regex(shown.stdout, /^sender: i2, not proven$/m);
  t.regex(shown.stdout, /\n\n\{"n":\n"\\u001b\[2J"\}\n$/);
  await database.query(`UPDATE dead_letters SET body = $1, compression = 'gzip' WHERE id = 3`, [
    gzipSync('{"plain":1}'),
  ]);
  const plain = await runHere(['dead', 'show', '3', '--json', ...config]);
  t.like(JSON.parse(plain.stdout), { id: '3', body: '{"plain":1}', compression: 'gzip' });
  await database.query(`UPDATE dead_letters SET body = '\\xff00', topic = 'events.info' WHERE id = 4`);
  t.regex(
    (await runHere(['dead', 'show', '4', ...config])).stdout,
    /\ntopic: events\.info\n.*\(no text; in hex\) ff00\n$/s,
  );
  const unknown = await runHere(['dead', 'show', '99', ...config]);
  t.deepEqual([unknown.code, unknown.errors], [1, ['conductor: there is no dead letter 99']]);
});

test('dead redrive marks letters, and names those that it leaves', async (t) => {
  const { database, config } = await prepared(t);
  const dry = await runHere(['dead', 'redrive', '--all', '--dry-run', ...config]);
  t.regex(
    dry.stdout,
    /^4 dead letters would be redriven; nothing is changed now\.\nNot redriven: .*1: they are calls/,
  );
  t.deepEqual(await lettersWhere(database, 'redrive_at IS NOT NULL'), []);
  const { stdout } = await run(t, ['dead', 'redrive', '--all', '--rate', '10', '--by', 'ann', ...config]);
  t.regex(stdout, /^4 dead letters are to be redriven; a replica .* due at 20.*Z\.\nNot redriven: /);
  t.deepEqual(await lettersWhere(database, `redrive_by = 'ann' AND redrive_at IS NOT NULL`), [1, 2, 3, 4]);
  const waiting = await runHere(['dead', 'redrive', '--id', '1,99', ...config]);
  t.deepEqual([waiting.code, waiting.stdout], [0, noneMatches]);
  const again = await runHere(['dead', 'redrive', '--id', '5', ...config]);
  t.is(again.code, 1);
  t.regex(
    again.errors[0] ?? '',
    /no dead letter was redriven\. Not redriven: 1: only the beginning .* dead edit ID --config /,
  );
});

const noneMatches =
  'No dead letter matches, or all that match wait for their redrive already or were redriven.\n';

test('dead redrive of one letter says how to see its result, and of a letter that is not there that none matches', async (t) => {
  const { config, database } = await prepared(t);
  const [, file = ''] = config;
  const one = await runHere(['dead', 'redrive', '--id', '2', ...config]);
  t.regex(
    one.stdout,
    /^Dead letter 2 is to be redriven; a replica that has its transport does it\. It is due at 20.*Z\.\nSee /,
  );
  t.true(one.stdout.endsWith(`\nSee the result: conductor dead show 2 --config ${file}\n`), one.stdout);
  t.deepEqual(await lettersWhere(database, 'redrive_at IS NOT NULL'), [2]);
  for (const dry of [[], ['--dry-run']]) {
    const { code, stdout } = await runHere(['dead', 'redrive', '--id', '99', ...dry, ...config]);
    t.deepEqual([code, stdout], [0, noneMatches]);
  }
});

test('dead purge deletes what its filter selects', async (t) => {
  const { database, config } = await prepared(t);
  const dry = await runHere(['dead', 'purge', '--reason', 'refused', '--dry-run', ...config]);
  t.is(dry.stdout, '2 dead letters would be deleted; nothing is changed now.\n');
  const { stdout } = await run(t, ['dead', 'purge', '--reason', 'refused', '--json', ...config]);
  t.deepEqual(JSON.parse(stdout), { purged: 2, dryRun: false });
  t.deepEqual(await lettersWhere(database, 'true'), [1, 4, 5, 6]);
});

test('dead edit opens the editor on a file that only its owner may read, and keeps both bodies', async (t) => {
  const { database, config } = await prepared(t);
  const folder = temporaryDirectory('editor');
  const editor = join(folder, 'editor.sh');
  writeFileSync(
    editor,
    `#!/bin/sh\nstat -c %a "$2" > ${folder}/mode\nsed -i 's/:2/:22/' "$2"\necho >> "$2"\n`,
  );
  chmodSync(editor, 0o755);
  const variables = { EDITOR: `${editor} --flag`, VISUAL: '' };
  const { code, stdout, errors } = await run(t, ['dead', 'edit', '2', '--by', 'ann', ...config], variables);
  t.deepEqual([code, errors], [0, []]);
  t.is(
    stdout,
    `Dead letter 2 has an edited body. To run it: conductor dead redrive --id 2 --config ${config[1]}\n` +
      'Whether it can run was not checked: this configuration has no transport edge.\n',
  );
  t.is(readFileSync(join(folder, 'mode'), 'utf8'), '600\n');
  const [letter] = await database.query(`
    SELECT convert_from(body, 'UTF8') AS body, convert_from(edited_body, 'UTF8') AS edited, edited_by, edited_at < now() AS at
    FROM dead_letters WHERE id = 2`);
  t.deepEqual(letter, { body: '{"n":2}', edited: '{"n":22}', edited_by: 'ann', at: true });
  const unchanged = await run(t, ['dead', 'edit', '1', ...config], { EDITOR: 'true', VISUAL: '' });
  t.deepEqual([unchanged.code, unchanged.errors], [1, ['conductor: nothing was changed']]);
  const failed = await run(t, ['dead', 'edit', '1', ...config], { EDITOR: 'false', VISUAL: '' });
  t.deepEqual([failed.code, failed.errors], [1, ['conductor: the editor ended with 1; nothing is stored']]);
});

test('dead edit leaves no file behind if it is interrupted', async (t) => {
  const { database, config } = await prepared(t);
  const folder = temporaryDirectory('interrupted');
  const editor = join(folder, 'editor.sh');
  writeFileSync(editor, `#!/bin/sh\ntrap '' INT\nkill -INT 0\necho '{"n":3}' > "$1"\n`);
  chmodSync(editor, 0o755);
  const room = temporaryDirectory('room');
  const variables = { EDITOR: editor, VISUAL: '', TMPDIR: room };
  const { code, errors } = await run(t, ['dead', 'edit', '2', ...config], variables);
  t.is(code, 1);
  t.regex(errors[0] ?? '', /^conductor: the editor ended with .*; nothing is stored$/);
  t.deepEqual(readdirSync(room), []);
  t.deepEqual(await lettersWhere(database, 'edited_body IS NOT NULL'), []);
});

test('dead edit takes a body from a file or from standard input, and refuses one that no transport could read', async (t) => {
  const { database, config } = await prepared(t);
  const file = join(temporaryDirectory('body'), 'body.json');
  writeFileSync(file, '{"n":50}');
  t.is((await runHere(['dead', 'edit', '5', '--body', file, ...config])).code, 0);
  // It can be redriven now.
  t.is((await runHere(['dead', 'redrive', '--id', '5', ...config])).code, 0);
  const waiting = await runHere(['dead', 'edit', '5', '--body', file, ...config]);
  t.deepEqual(waiting.errors, ['conductor: dead letter 5 waits for its redrive; it cannot be edited now']);
  const main = new URL('../../src/main.ts', import.meta.url).pathname;
  const piped = startProcess(process.execPath, [main, 'dead', 'edit', '1', '--body', '-', ...config], {
    env: bareEnvironment(),
    input: '{"n":10}',
  });
  t.deepEqual(await piped.exited, { code: 0, signal: null }, piped.output());
  const edited = await database.query<{ body: string }>(
    `SELECT convert_from(edited_body, 'UTF8') AS body FROM dead_letters WHERE edited_body IS NOT NULL ORDER BY id`,
  );
  t.deepEqual(edited, [{ body: '{"n":10}' }, { body: '{"n":50}' }]);
  for (const [body, line] of [
    ['{"n":', /^conductor: the edited body is not JSON: /],
    ['7', /^conductor: the edited body is no JSON object$/],
    [
      `{"n":"${'x'.repeat(300_000)}"}`,
      /^conductor: the edited body has 300008 bytes, more than maxBody \(262144\)$/,
    ],
  ] as const) {
    writeFileSync(file, body);
    const { code, errors } = await runHere(['dead', 'edit', '2', '--body', file, ...config]);
    t.is(code, 2);
    t.regex(errors[0] ?? '', line);
  }
});

for (const [what, args, line] of [
  [
    'redrive without a filter',
    ['redrive'],
    /give a filter such as --reason or --id, or --all to redrive all/,
  ],
  ['purge without a filter', ['purge'], /give a filter .* or --all to delete all dead letters/],
  ['list with a strange state', ['list', '--state', 'alive'], /--state.*dead, waiting, redriven/],
  ['show with a strange number', ['show', 'x1'], /the number of a dead letter is expected/],
  [
    'redrive with a bare number',
    ['redrive', '1'],
    /too many arguments for 'redrive'; use --id 1; try conductor dead redrive --help$/,
  ],
  ['purge with bare numbers', ['purge', '1', '2'], /too many arguments for 'purge'; use --id 1,2;/],
  [
    'list with a bare word',
    ['list', 'all'],
    /too many arguments for 'list'; letters are selected with options;/,
  ],
  ['redrive with a strange rate', ['redrive', '--all', '--rate', '0'], /a number of letters a second/],
] as const) {
  test(`dead ${what} ends with exit code 2 and one line`, async (t) => {
    const { code, errors } = await runHere(['dead', ...args, '--config', 'none']);
    t.is(code, 2);
    t.is(errors.length, 1);
    t.regex(errors[0] ?? '', line);
  });
}

test('dead list before conductor migrate says what to do', async (t) => {
  const database = await createDatabase(t, { migrated: false });
  const { code, errors } = await runHere(['dead', 'list', '--config', fileOf(database)]);
  t.is(code, 2);
  t.regex(errors[0] ?? '', /lacks the table dead_letters: run conductor migrate/);
});
