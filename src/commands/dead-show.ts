import { readLetter, refusals, type StoredLetter } from '../database/dead-letters.ts';
import { letterJson, plainBodyOf, textOfBody } from '../database/letter-body.ts';
import type { CommandLine } from './command-line.ts';
import { hasFailed, stateOf } from './dead-list.ts';
import { withTable } from './with-table.ts';

export interface ShowFlags {
  readonly config: string;
  readonly json: boolean;
}

/** `conductor dead show`. */
export function show(line: CommandLine, id: string, { config: file, json }: ShowFlags): Promise<void> {
  return withTable(line, file, 'dead_letters', async (query, { maxBody }) => {
    const letter = await readLetter(query, id);
    if (letter === undefined) throw new Error(`there is no dead letter ${id}`);
    line.print(
      json ? JSON.stringify(letterJson(letter, maxBody)) : textOf(letter, plainBodyOf(letter, maxBody)),
    );
  });
}

function textOf(letter: StoredLetter, body: Buffer | null): string {
  const { senderProof, editedBody, redriveBy, redriveAt, redrivenAt, counted, trace } = letter;
  const facts: readonly (readonly [string, string | null | undefined])[] = [
    ['id', letter.id],
    ['died', letter.diedAt.toISOString()],
    ['state', stateOf(letter)],
    ['reason', letter.reason],
    ['detail', letter.detail],
    ['transport', letter.transport],
    ['method', letter.method],
    ['instance', letter.instance],
    ['topic', letter.topic],
    ['message id', letter.messageId],
    [
      'sender',
      letter.sender &&
        `${letter.sender}, ${senderProof === null ? 'not proven' : `proven by ${senderProof}`}`,
    ],
    ['stands for', counted === null ? null : `${counted} messages that were not kept`],
    ['cannot be redriven', letter.refusal && refusals[letter.refusal]],
    ['edited', letter.editedAt && `${letter.editedAt.toISOString()} by ${letter.editedBy}`],
    [
      'redrive',
      redriveBy && `by ${redriveBy}${redriveAt === null ? '' : `, due ${redriveAt.toISOString()}`}`,
    ],
    [
      hasFailed(letter) ? 'last redrive' : 'redriven',
      redrivenAt && `${redrivenAt.toISOString()}: ${lastOutcomeOf(letter)}`,
    ],
    ['redrives', letter.redrives === 0 ? null : String(letter.redrives)],
    ['body', `${letter.bodySize} bytes, SHA-256 ${letter.bodyDigest.toString('hex')}`],
    ['compression', letter.compression],
    ['traceparent', trace?.traceparent],
    ['tracestate', trace?.tracestate],
  ];
  const lines = facts.flatMap(([name, value]) => (value ? [`${name}: ${escaped(value, false)}`] : []));
  if (body !== null) lines.push('', bodyText(body));
  if (editedBody !== null) lines.push('', 'edited body:', '', bodyText(editedBody));
  return lines.join('\n');
}

/** `reason` and `detail` are those of the last redrive, if it has failed. */
function lastOutcomeOf(letter: StoredLetter): string | null {
  const { redriveOutcome, reason, detail } = letter;
  if (!hasFailed(letter) || redriveOutcome === 'refused') return redriveOutcome;
  return `failed: ${reason}${detail === null ? '' : `, ${detail}`}`;
}

function bodyText(body: Buffer): string {
  const text = textOfBody(body);
  return text === undefined ? `(no text; in hex) ${body.toString('hex')}` : escaped(text, true);
}

/** Control characters as JSON writes them, so that none reaches the terminal. */
function escaped(text: string, keepsLines: boolean): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    keepsLines && (character === '\n' || character === '\t')
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
