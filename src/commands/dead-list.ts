import { countLetters, type LetterCount, type ListedLetter, listLetters } from '../database/dead-letters.ts';
import type { CommandLine } from './command-line.ts';
import { type FilterFlags, filterOf } from './dead-filter.ts';
import { tableText } from './table.ts';
import { withTable } from './with-table.ts';

export interface ListFlags extends FilterFlags {
  readonly count: boolean;
}

/** `conductor dead list`. */
export function list(line: CommandLine, flags: ListFlags): Promise<void> {
  return withTable(line, flags.config, 'dead_letters', async (query) => {
    const { limit, json } = flags;
    if (flags.count) {
      const counts = await countLetters(query, filterOf(flags));
      return line.print(json ? JSON.stringify({ counts }) : countsText(counts));
    }
    const rows = await listLetters(query, filterOf(flags), limit + 1);
    const shown = rows.slice(0, limit);
    const isCut = rows.length > shown.length;
    line.print(json ? JSON.stringify({ dead: shown, more: isCut }) : lettersText(shown, isCut));
  });
}

const none = 'No dead letter matches.';

const headings = ['id', 'died', 'transport', 'reason', 'method', 'instance', 'sender', 'state', 'detail'];

function lettersText(rows: ReadonlyArray<ListedLetter>, isCut: boolean): string {
  if (rows.length === 0) return none;
  const cells = rows.map((row) => [
    row.id,
    row.diedAt.toISOString(),
    row.transport,
    row.reason,
    row.method ?? '',
    row.instance ?? '',
    row.sender ?? '',
    stateOf(row),
    row.counted === null ? (row.detail ?? '') : `${row.counted} messages that were not kept`,
  ]);
  return tableText(headings, cells, isCut);
}

/**
 * The state in some words, such as `redriven: applied`, `dead, edited` or `redrive failed: forbidden, edited since`. The status page has the same
 * words (src/admin/page/words.js).
 */
export function stateOf(letter: ListedLetter): string {
  const { editedAt, redrivenAt } = letter;
  if (editedAt === null) return outcomeOf(letter);
  const isSince = hasFailed(letter) && redrivenAt !== null && editedAt > redrivenAt;
  return `${outcomeOf(letter)}, edited${isSince ? ' since' : ''}`;
}

/** Whether its last redrive has failed, and no other one is asked for. */
export function hasFailed({ state, redriveOutcome }: ListedLetter): boolean {
  return state === 'dead' && redriveOutcome !== null;
}

function outcomeOf(letter: ListedLetter): string {
  const { state, reason, redriveOutcome } = letter;
  if (state === 'redriven') return `${state}: ${redriveOutcome}`;
  if (!hasFailed(letter)) return state;
  // It is refused as it is: not run at all, so its reason is still that of its death.
  return redriveOutcome === 'refused' ? 'redrive refused' : `redrive failed: ${reason}`;
}

function countsText(counts: ReadonlyArray<LetterCount>): string {
  if (counts.length === 0) return none;
  return tableText(
    ['transport', 'reason', 'state', 'letters', 'messages', 'first', 'last'],
    counts.map((one) => [
      one.transport,
      one.reason,
      one.state,
      String(one.letters),
      String(one.messages),
      one.first.toISOString(),
      one.last.toISOString(),
    ]),
    false,
  );
}
