import { type ListedLetter, listLetters } from './dead-letters.ts';
import { type ListedDeferred, listDeferred } from './deferred.ts';
import {
  type InstanceRow,
  readInstance,
  readTransitions,
  type StatusRow,
  type Transition,
} from './explain.ts';
import { reasonsOf } from './explain-why.ts';
import type { Query } from './query.ts';

/** The database's knowledge of an instance, with its reasons. */
export interface Explanation {
  readonly id: string;
  readonly instance: InstanceRow | null;
  readonly status: StatusRow | null;
  /** One sentence a line, the weightiest first. */
  readonly why: ReadonlyArray<string>;
  readonly transitions: ReadonlyArray<Transition>;
  readonly deferred: ReadonlyArray<ListedDeferred>;
  readonly dead: ReadonlyArray<ListedLetter>;
  /** Whether there are further rows. */
  readonly cut: Readonly<Record<'transitions' | 'deferred' | 'dead', boolean>>;
}

/** Tells what was last heard of an instance, what became of it and why. @param limit rows of each list. */
export async function explainInstance(query: Query, id: string, limit: number): Promise<Explanation> {
  const { instance, status } = await readInstance(query, id);
  const transitions = await readTransitions(query, id, limit + 1);
  const deferred = await listDeferred(query, { instance: id }, limit + 1);
  const letters = await listLetters(query, { instance: id }, limit + 1);
  return {
    id,
    instance,
    status,
    why: reasonsOf({ instance, status, deferred, letters }),
    transitions: transitions.slice(0, limit),
    deferred: deferred.slice(0, limit),
    dead: letters.slice(0, limit),
    cut: {
      transitions: transitions.length > limit,
      deferred: deferred.length > limit,
      dead: letters.length > limit,
    },
  };
}
