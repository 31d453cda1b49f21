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
import { withTable } from './with-table.ts';

export interface ChangeFlags extends FilterFlags {
  readonly all: boolean;
  readonly dryRun: boolean;
  readonly rate?: number;
  readonly by?: string;
}

/** `conductor dead redrive`. */
export async function redrive(line: CommandLine, flags: ChangeFlags): Promise<void> {
  requireFilter(flags, 'redrive');
  await withTable(line, flags.config, 'dead_letters', async (query) => {
    const { limit, rate, by = '', dryRun, json } = flags;
    const filter = filterOf(flags);
    const marked: Omit<Marked, 'until'> & Partial<Pick<Marked, 'until'>> = dryRun
      ? await wouldRedrive(query, filter, limit)
      : await markForRedrive(query, filter, { by, rate, limit }, (sum) =>
          line.progress(`${sum} dead letters wait for their redrive`),
        );
    line.progress('');
    if (json) return line.print(JSON.stringify({ ...marked, dryRun }));
    if (!dryRun && marked.marked === 0 && Object.keys(marked.refused).length > 0)
      throw new Error(`no dead letter was redriven. ${refusedText(marked.refused)}`);
    const last = marked.until ? ` The last one is due at ${marked.until.toISOString()}.` : '';
    const text = dryRun
      ? `${marked.marked} dead letters would be redriven; nothing is changed now.`
      : `${marked.marked} dead letters are to be redriven; a replica that has their transport does it.${last}`;
    line.print([text, refusedText(marked.refused)].join('\n').trimEnd());
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

function refusedText(refused: Marked['refused']): string {
  const parts = Object.entries(refused).map(
    ([name, count]) => `${count}: ${isRefusal(name) ? refusals[name] : name}`,
  );
  if (parts.length === 0) return '';
  const hint = Object.keys(refused).some((name) => name !== 'counted')
    ? ' conductor dead edit gives one a new body.'
    : '';
  return `Not redriven: ${parts.join('; ')}.${hint}`;
}

function isRefusal(name: string): name is Refusal {
  return Object.hasOwn(refusals, name);
}
