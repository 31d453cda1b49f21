import type { LetterFilter } from '../database/dead-letters.ts';

/** The flags that select dead letters. */
export interface FilterFlags extends Omit<LetterFilter, 'ids'> {
  readonly config: string;
  readonly id?: ReadonlyArray<string>;
  readonly limit: number;
  readonly json: boolean;
}

/** The filter that the flags describe. */
export function filterOf({ id, ...flags }: FilterFlags): LetterFilter {
  return { ...flags, ids: id };
}

/** Whether the flags select some letters only. */
export function hasFilter(flags: FilterFlags): boolean {
  const { id, reason, method, instance, sender, transport, messageId, text, olderThan, newerThan } = flags;
  const filters = [id, reason, method, instance, sender, transport, messageId, text, olderThan, newerThan];
  return [...filters, flags.state].some((one) => one !== undefined);
}
