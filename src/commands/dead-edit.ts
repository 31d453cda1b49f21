import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../core/errors.ts';
import { readLetter } from '../database/dead-letters.ts';
import { editLetter } from '../database/dead-letters-change.ts';
import { plainBodyOf, textOfBody, uneditableBecause, unfitBecause } from '../database/letter-body.ts';
import type { CommandLine } from './command-line.ts';
import { shellWord } from './shell-word.ts';
import { withTable } from './with-table.ts';

export interface EditFlags {
  readonly config: string;
  readonly json: boolean;
  readonly body?: string;
  readonly by: string;
}

/** `conductor dead edit`. */
export function edit(line: CommandLine, id: string, flags: EditFlags): Promise<void> {
  return withTable(line, flags.config, 'dead_letters', async (query, { maxBody }) => {
    const letter = await readLetter(query, id);
    if (letter === undefined) throw new Error(`there is no dead letter ${id}`);
    const why = uneditableBecause(letter);
    if (why !== undefined) throw new Error(why);
    const before = letter.editedBody ?? plainBodyOf(letter, maxBody) ?? Buffer.alloc(0);
    const body = flags.body === undefined ? await inEditor(before, id) : await bodyFrom(flags.body);
    if (flags.body === undefined && body.equals(before)) throw new Error('nothing was changed');
    const unfit = unfitBecause(body, maxBody);
    if (unfit !== undefined) throw new ConfigError(unfit);
    if (!(await editLetter(query, id, body, flags.by)))
      throw new Error(`dead letter ${id} was redriven or deleted meanwhile; the edited body is not stored`);
    line.print(
      flags.json
        ? JSON.stringify({ edited: id, by: flags.by })
        : `Dead letter ${id} has an edited body. To run it: conductor dead redrive --id ${id} --config ${shellWord(flags.config)}`,
    );
  });
}

async function bodyFrom(file: string): Promise<Buffer> {
  if (file !== '-') {
    try {
      return await readFile(file);
    } catch (error) {
      throw new ConfigError(`--body: cannot read the file: ${messageOf(error)}`);
    }
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Opens the operator's editor on a file that only they may read. */
async function inEditor(body: Buffer, id: string): Promise<Buffer> {
  if (textOfBody(body) === undefined) throw new Error('the body is no text: give a new one with --body FILE');
  const folder = await mkdtemp(join(tmpdir(), 'conductor-'));
  try {
    const file = join(folder, `dead-letter-${id}.json`);
    await writeFile(file, body, { mode: 0o600 });
    await run(process.env.VISUAL || process.env.EDITOR || 'vi', file);
    return withoutLastNewline(await readFile(file), body);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Editors end a file with a newline. */
function withoutLastNewline(edited: Buffer, before: Buffer): Buffer {
  return edited.at(-1) === 0x0a && before.at(-1) !== 0x0a ? edited.subarray(0, -1) : edited;
}

/** `editor` may have arguments, so the shell reads it. */
async function run(editor: string, file: string): Promise<void> {
  // An interrupt from the terminal is for the editor. Otherwise the file would be left behind.
  const ignore = () => {};
  process.on('SIGINT', ignore);
  try {
    const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
    const ended = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(signal ?? code));
    });
    if (ended !== 0) throw new Error(`the editor ended with ${ended}; nothing is stored`);
  } finally {
    process.off('SIGINT', ignore);
  }
}
