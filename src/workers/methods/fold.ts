import { applied, dead, deferred, duplicate, type Outcome, stale } from '../../core/message/outcome.ts';
import type { GuestArgs } from './contract.ts';

/**
 * Folds messages about the same key into one row of one statement. The result is that of applying them one after the other in the order
 * of their `sent`.
 */

/** One row of a statement: the result of a key's messages, provided that the stored guard is below `first`. */
export interface Fold<Args, State> {
  /** One of the messages, for the ids that all of them have. */
  readonly of: Args;
  /** The lowest `sent` of the messages; Infinity if none has a guard. */
  readonly first: number;
  /** The guard after the messages; -Infinity if they do not move it. */
  readonly guard: number;
  readonly state: State;
}

/** Why a statement did not apply a row. */
export interface Refusal {
  /** The index of the row. */
  readonly row: number;
  readonly why: 'unknown' | 'deleted' | 'foreign' | 'guarded';
}

/** The stored guard of a key, read under the row's lock. Seconds since the epoch. */
export interface StoredGuard {
  readonly guard: number;
  /** A stored guard beyond this horizon does not guard, since the guest's clock once ran ahead. */
  readonly horizon: number;
}

export interface FoldedStatements<Args, State> {
  readonly initial: State;
  readonly reduce: (state: State, args: Args) => State;
  /** Writes rows of distinct keys. Every row of a known key stays locked, whether it applied or not. */
  readonly write: (folds: ReadonlyArray<Fold<Args, State>>) => Promise<ReadonlyArray<Refusal>>;
  /** Reads the guards of rows that `write` has locked, one for each given message, in their order. */
  readonly readGuards: (of: ReadonlyArray<Args>) => Promise<ReadonlyArray<StoredGuard | undefined>>;
}

interface Group<out Args> {
  readonly of: Args;
  /**
   * Places in the batch, in the order of the guards. Equal guards stay in the order of arrival. Messages without a guard are last. Nearly
   * always there is one, which needs no array: all that waits for Postgres costs garbage collection.
   */
  members: number | number[];
}

/** With this guard every message of a group applies, except the second one of two with the same `sent`. */
const allNewer: StoredGuard = { guard: Number.NEGATIVE_INFINITY, horizon: Number.POSITIVE_INFINITY };

/**
 * One statement applies all groups whose messages are all newer than the stored guard, which are nearly all groups. If it refuses a row
 * because some messages are older, the guard is read under the lock that the statement left. Then the older messages are dropped and
 * the rest is written.
 */
export async function applyFolded<Args extends GuestArgs, State>(
  batch: ReadonlyArray<Args>,
  statements: FoldedStatements<Args, State>,
): Promise<Outcome[]> {
  const outcomes = new Array<Outcome>(batch.length).fill(applied);
  const groups = groupByKey(batch);
  const refusals = await statements.write(
    groups.map((group) => foldGroup(batch, group, allNewer, outcomes, statements)),
  );
  const guarded = settleRefusals(groups, refusals, outcomes);
  if (guarded.length === 0) return outcomes;

  const guards = await statements.readGuards(guarded.map(({ of }) => of));
  const rest: Group<Args>[] = [];
  const folds: Fold<Args, State>[] = [];
  for (const [position, group] of guarded.entries()) {
    const stored = guards[position];
    if (stored === undefined)
      throw new Error(`the guard of ${group.of.key} has gone, though its row is locked`);
    const fold = foldGroup(batch, group, stored, outcomes, statements);
    if (!placesOf(group).some((index) => outcomes[index] === applied)) continue;
    rest.push(group);
    // The guard has been checked under the lock, so the row applies unconditionally.
    folds.push({ ...fold, first: Number.POSITIVE_INFINITY });
  }
  if (folds.length === 0) return outcomes;
  const stillGuarded = settleRefusals(rest, await statements.write(folds), outcomes);
  if (stillGuarded.length > 0)
    throw new Error(`${stillGuarded[0]?.of.key} was refused, though its row is locked`);
  return outcomes;
}

function groupByKey<Args extends GuestArgs>(batch: ReadonlyArray<Args>): Group<Args>[] {
  const byKey = new Map<string, Group<Args>>();
  const groups: Group<Args>[] = [];
  let index = 0;
  for (const args of batch) {
    const group = byKey.get(args.key);
    if (group === undefined) {
      const alone = { of: args, members: index };
      byKey.set(args.key, alone);
      groups.push(alone);
    } else if (typeof group.members === 'number') group.members = [group.members, index];
    else group.members.push(index);
    index += 1;
  }
  // The sort is stable. So of two messages with the same `sent`, the first to arrive wins.
  for (const { members } of groups)
    if (typeof members !== 'number') members.sort((a, b) => byGuard(at(batch, a), at(batch, b)));
  return groups;
}

function placesOf({ members }: Group<GuestArgs>): ReadonlyArray<number> {
  return typeof members === 'number' ? [members] : members;
}

function at<Args>(batch: ReadonlyArray<Args>, index: number): Args {
  const args = batch[index];
  if (args === undefined) throw new RangeError(`the batch has no message ${index}`);
  return args;
}

/** The order in which messages of one key are applied. */
export function byGuard(a: GuestArgs, b: GuestArgs): number {
  if (a.guard === b.guard) return 0;
  return (a.guard ?? Number.POSITIVE_INFINITY) - (b.guard ?? Number.POSITIVE_INFINITY);
}

/** Applies a group's messages one after the other to the stored state, as the guard allows. Writes their outcomes. */
function foldGroup<Args extends GuestArgs, State>(
  batch: ReadonlyArray<Args>,
  group: Group<Args>,
  stored: StoredGuard,
  outcomes: Outcome[],
  { initial, reduce }: Pick<FoldedStatements<Args, State>, 'initial' | 'reduce'>,
): Fold<Args, State> {
  let { guard: current } = stored;
  let state = initial;
  let first = Number.POSITIVE_INFINITY;
  let guard = Number.NEGATIVE_INFINITY;
  for (const index of placesOf(group)) {
    const args = at(batch, index);
    if (args.guard !== undefined) {
      if (args.guard === current) {
        outcomes[index] = duplicate;
        continue;
      }
      if (args.guard < current && current <= stored.horizon) {
        outcomes[index] = stale;
        continue;
      }
      current = args.guard;
      first = Math.min(first, current);
      guard = current;
    }
    outcomes[index] = applied;
    state = reduce(state, args);
  }
  return { of: group.of, first, guard, state };
}

/** Writes the outcomes of refused rows. Returns the groups whose guards have to be read. */
function settleRefusals<Args extends GuestArgs>(
  groups: ReadonlyArray<Group<Args>>,
  refusals: ReadonlyArray<Refusal>,
  outcomes: Outcome[],
): Group<Args>[] {
  const guarded: Group<Args>[] = [];
  for (const { row, why } of refusals) {
    const group = groups[row];
    if (group === undefined) throw new Error(`a statement refused row ${row}, which it was not given`);
    if (why === 'guarded') guarded.push(group);
    else for (const index of placesOf(group)) outcomes[index] = refused[why];
  }
  return guarded;
}

const refused = {
  unknown: deferred.unknown,
  // Messages about a soft-deleted instance write nothing.
  deleted: stale,
  foreign: dead('foreign_backup', 'the backup belongs to another instance'),
} satisfies Record<Exclude<Refusal['why'], 'guarded'>, Outcome>;
