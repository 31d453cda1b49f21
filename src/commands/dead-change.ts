import { ConfigError } from '../core/errors.ts';
import { type Refusal, refusals } from '../database/dead-letters.ts';
import {
  type Marked,
  markForRedrive,
  purgeLetters,
  wouldPurge,
  wouldRedrive,
} from '../database/dead-letters-change.ts';
import type { CommandLine } from './command-line.ts';
import { type FilterFlags, filterOf, hasFilter } from './dead-filter.ts';
import { shellWord } from './shell-word.ts';
import { withTable } from './with-table.ts';

export interface ChangeFlags extends FilterFlags {
  readonly all: boolean;
  readonly dryRun: boolean;
  readonly rate?: number;
  readonly by?: string;
}

/** What a command has marked. Nothing is due after a dry run. */
type MarkedNow = Omit<Marked, 'until'> & Partial<Pick<Marked, 'until'>>;

/** `conductor dead redrive`. */
export async function redrive(line: CommandLine, flags: ChangeFlags): Promise<void> {
  requireFilter(flags, 'redrive');
  await withTable(line, flags.config, 'dead_letters', async (query) => {
    const { limit, rate, by = '', dryRun, json } = flags;
    const filter = filterOf(flags);
    const marked: MarkedNow = dryRun
      ? await wouldRedrive(query, filter, limit)
      : await markForRedrive(query, filter, { by, rate, limit }, (sum) =>
          line.progress(`${sum} dead letters wait for their redrive`),
        );
    line.progress('');
    if (json) return line.print(JSON.stringify({ ...marked, dryRun }));
    const left = refusedText(marked.refused, flags.config);
    if (marked.marked === 0 && left === '') return line.print(noneMatches);
    if (!dryRun && marked.marked === 0) throw new Error(`no dead letter was redriven. ${left}`);
    const text = dryRun
      ? `${marked.marked} dead letters would be redriven; nothing is changed now.`
      : markedText(marked, flags);
    line.print([text, left].join('\n').trimEnd());
  });
}

/** `conductor dead purge`. */
export async function purge(line: CommandLine, flags: ChangeFlags): Promise<void> {
  requireFilter(flags, 'delete');
  await withTable(line, flags.config, 'dead_letters', async (query) => {
    const { limit, dryRun, json } = flags;
    const filter = filterOf(flags);
    const purged = dryRun
      ? await wouldPurge(query, filter, limit)
      : await purgeLetters(query, filter, limit, (sum) => line.progress(`${sum} dead letters are deleted`));
    line.progress('');
    const text = dryRun
      ? `${purged} dead letters would be deleted; nothing is changed now.`
      : `${purged} dead letters are deleted.`;
    line.print(json ? JSON.stringify({ purged, dryRun }) : text);
  });
}

/** A change of all letters has to be meant. */
function requireFilter(flags: ChangeFlags, verb: string): void {
  if (flags.all || hasFilter(flags)) return;
  throw new ConfigError(`give a filter such as --reason or --id, or --all to ${verb} all dead letters`);
}

const noneMatches =
  'No dead letter matches, or all that match wait for their redrive already or were redriven.';

/** What becomes of the marked letters, and for a single one how to look at it later. */
function markedText({ marked, until }: MarkedNow, { id: ids, config }: ChangeFlags): string {
  const due = until ? `due at ${until.toISOString()}.` : '';
  const [id, ...others] = ids ?? [];
  if (id === undefined || others.length > 0)
    return `${marked} dead letters are to be redriven; a replica that has their transport does it. The last one is ${due}`;
  return (
    `Dead letter ${id} is to be redriven; a replica that has its transport does it. It is ${due}\n` +
    `See the result: conductor dead show ${id} --config ${shellWord(config)}`
  );
}

function refusedText(refused: Marked['refused'], config: string): string {
  const parts = Object.entries(refused).map(
    ([name, count]) => `${count}: ${isRefusal(name) ? refusals[name] : name}`,
  );
  if (parts.length === 0) return '';
  const hint = Object.keys(refused).some((name) => name !== 'counted')
    ? ` conductor dead edit ID --config ${shellWord(config)} gives one a new body.`
    : '';
  return `Not redriven: ${parts.join('; ')}.${hint}`;
}

function isRefusal(name: string): name is Refusal {
  return Object.hasOwn(refusals, name);
}
