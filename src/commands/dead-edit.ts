import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../core/config/load.ts';
import { ConfigError, messageOf } from '../core/errors.ts';
import { readLetter, type StoredLetter } from '../database/dead-letters.ts';
import { editLetter } from '../database/dead-letters-change.ts';
import {
  deadAgainBecause,
  plainBodyOf,
  textOfBody,
  uneditableBecause,
  unfitBecause,
} from '../database/letter-body.ts';
import type { EditCheck } from '../workers/check-edited.ts';
import type { CommandLine } from './command-line.ts';
import { shellWord } from './shell-word.ts';
import { withTable } from './with-table.ts';

export interface EditFlags {
  readonly config: string;
  readonly json: boolean;
  readonly body?: string;
  readonly by: string;
  readonly force: boolean;
}

/**
 * `conductor dead edit`. It refuses a body that would be dead again, unless it is told otherwise (`--force`): the file names the transport of
 * the letter, so it is that of a replica that redrives it, and an unknown method is most likely a mistake in writing. Replicas with
 * another method table are the exception that `--force` is for. A file without the transport says nothing about the form of the message, so
 * nothing is refused then.
 */
export function edit(line: CommandLine, id: string, flags: EditFlags): Promise<void> {
  return withTable(line, flags.config, 'dead_letters', async (query, config) => {
    const { maxBody } = config;
    const letter = await readLetter(query, id);
    if (letter === undefined) throw new Error(`there is no dead letter ${id}`);
    const why = uneditableBecause(letter);
    if (why !== undefined) throw new Error(why);
    const before = letter.editedBody ?? plainBodyOf(letter, maxBody) ?? Buffer.alloc(0);
    const check = await checkOf(letter, config);
    const refuse = (edited: Buffer) => refusalOf(edited, maxBody, flags.force ? undefined : check);
    const body =
      flags.body === undefined ? await inEditor(before, id, flags, refuse) : await bodyFrom(flags.body);
    const refusal = refuse(body);
    if (refusal !== undefined) throw new ConfigError(refusal);
    if (!(await editLetter(query, id, body, flags.by)))
      throw new Error(`dead letter ${id} was redriven or deleted meanwhile; the edited body is not stored`);
    const checked = check(body);
    line.print(
      flags.json
        ? JSON.stringify({ edited: id, by: flags.by, ...checked })
        : [
            `Dead letter ${id} has an edited body. To run it: conductor dead redrive --id ${id} --config ${shellWord(flags.config)}`,
            ...('faults' in checked
              ? []
              : [`Whether it can run was not checked: ${checked.uncheckedBecause}.`]),
          ].join('\n'),
    );
  });
}

type CheckBody = (body: Buffer) => EditCheck;

/** Loaded here: no other command of this group needs the workers' methods. */
async function checkOf(letter: StoredLetter, config: Config): Promise<CheckBody> {
  const [{ checkEdited }, { loadManager }, { workerSettingsOf }] = await Promise.all([
    import('../workers/check-edited.ts'),
    import('../workers/methods/load.ts'),
    import('../workers/settings.ts'),
  ]);
  try {
    const manager = await loadManager(config.manager || undefined);
    const settings = workerSettingsOf(config);
    return (body) => checkEdited(body, letter, manager, settings);
  } catch (error) {
    const uncheckedBecause = `manager: ${messageOf(error)}`;
    return () => ({ uncheckedBecause });
  }
}

/** Why a body is not stored; undefined if it is. */
function refusalOf(body: Buffer, maxBody: number, check: CheckBody | undefined): string | undefined {
  const unfit = unfitBecause(body, maxBody);
  if (unfit !== undefined || check === undefined) return unfit;
  const checked = check(body);
  return 'faults' in checked ? deadAgainBecause(checked.faults, '--force') : undefined;
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

/** Opens the operator's editor on a file that only they may read. The file of a body that is refused is kept, so that no work is lost. */
async function inEditor(
  body: Buffer,
  id: string,
  { config }: EditFlags,
  refuse: (edited: Buffer) => string | undefined,
): Promise<Buffer> {
  if (textOfBody(body) === undefined) throw new Error('the body is no text: give a new one with --body FILE');
  const folder = await mkdtemp(join(tmpdir(), 'conductor-'));
  let isKept = false;
  try {
    const file = join(folder, `dead-letter-${id}.json`);
    await writeFile(file, body, { mode: 0o600 });
    await run(process.env.VISUAL || process.env.EDITOR || 'vi', file);
    const edited = withoutLastNewline(await readFile(file), body);
    if (edited.equals(body)) throw new Error('nothing was changed');
    const why = refuse(edited);
    if (why === undefined) return edited;
    isKept = true;
    throw new ConfigError(
      `${why}. Your text is kept. Correct it, then: conductor dead edit ${id} --body ${shellWord(file)} --config ${shellWord(config)}`,
    );
  } finally {
    if (!isKept) await rm(folder, { recursive: true, force: true });
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
