import test from 'ava';
import fc from 'fast-check';
import type { Outcome } from '../../src/core/message/outcome.ts';
import type { GuestArgs } from '../../src/workers/methods/contract.ts';
import {
  applyFolded,
  byGuard,
  type Fold,
  type FoldedStatements,
  type Refusal,
} from '../../src/workers/methods/fold.ts';

/**
 * Folding against an oracle that applies the messages one after the other, on a model of the table. What the model's `write`
 * does is what the statements under sql/ do; that they do it is tested on a real Postgres beside this.
 */

/** A stored guard beyond it is in the future. */
const horizon = 1000;

interface Row<State> {
  readonly kind: 'known' | 'unknown' | 'deleted' | 'foreign';
  guard: number;
  state: State;
}
type Table<State> = Map<string, Row<State>>;

interface Semantics<Args, State> {
  readonly initial: State;
  readonly reduce: (state: State, args: Args) => State;
  /** What a fold leaves in a row, as the statement's SET does. */
  readonly store: (row: State, fold: State) => State;
}

function applies(guard: number, stored: number): boolean {
  return guard > stored || (stored > horizon && guard !== stored);
}

function modelOf<Args extends GuestArgs, State>(
  table: Table<State>,
  { initial, reduce, store }: Semantics<Args, State>,
): FoldedStatements<Args, State> {
  return {
    initial,
    reduce,
    write(folds: ReadonlyArray<Fold<Args, State>>) {
      const keys = folds.map(({ of }) => of.key);
      if (new Set(keys).size !== keys.length) throw new Error('a statement cannot touch a row twice');
      const refusals = folds.flatMap(({ of, first, guard, state }, row): Refusal[] => {
        const stored = table.get(of.key);
        if (stored === undefined || stored.kind === 'unknown') return [{ row, why: 'unknown' }];
        if (stored.kind !== 'known') return [{ row, why: stored.kind }];
        if (!(stored.guard < first || (stored.guard > horizon && stored.guard > guard)))
          return [{ row, why: 'guarded' }];
        stored.state = store(stored.state, state);
        if (guard !== Number.NEGATIVE_INFINITY) stored.guard = guard;
        return [];
      });
      return Promise.resolve(refusals);
    },
    readGuards: (of) =>
      Promise.resolve(of.map(({ key }) => ({ guard: table.get(key)?.guard ?? 0, horizon }))),
  };
}

/** One message after the other, in the order of their guard, those without one last. */
function oracle<Args extends GuestArgs, State>(
  table: Table<State>,
  batch: Args[],
  { reduce }: Semantics<Args, State>,
): string[] {
  const outcomes: string[] = [];
  const order = batch.map((args, index) => ({ args, index })).sort((a, b) => byGuard(a.args, b.args));
  for (const { args, index } of order) {
    const row = table.get(args.key);
    outcomes[index] = verdict(row, args.guard);
    if (row === undefined || outcomes[index] !== 'applied') continue;
    row.state = reduce(row.state, args);
    if (args.guard !== undefined) row.guard = args.guard;
  }
  return outcomes;
}

function verdict(row: Row<unknown> | undefined, guard: number | undefined): string {
  if (row === undefined || row.kind === 'unknown') return 'deferred';
  if (row.kind === 'deleted') return 'stale';
  if (row.kind === 'foreign') return 'dead';
  if (guard === undefined || applies(guard, row.guard)) return 'applied';
  return guard === row.guard ? 'duplicate' : 'stale';
}

const kinds = (outcomes: Outcome[]) => outcomes.map(({ kind }) => kind);
const copy = <State>(table: Table<State>): Table<State> =>
  new Map(Array.from(table, ([key, row]) => [key, { ...row }]));

/** Few values, so that ties, overlaps with what is stored and times in the future are frequent. */
const guards = fc.option(fc.constantFrom(1, 2, 3, 4, 5, 6, 1001, 1002, 1003), { nil: undefined, freq: 8 });
const storedGuards = fc.constantFrom(Number.NEGATIVE_INFINITY, 2, 3, 4, 1002);
const rowKinds = fc.constantFrom(
  'known',
  'known',
  'known',
  'known',
  'unknown',
  'deleted',
  'foreign',
) as fc.Arbitrary<Row<unknown>['kind']>;
const keys = ['a', 'b', 'c'];

function tables<State>(state: fc.Arbitrary<State>): fc.Arbitrary<Table<State>> {
  return fc
    .tuple(...keys.map(() => fc.record({ kind: rowKinds, guard: storedGuards, state })))
    .map((rows) => new Map(rows.map((row, index) => [keys[index] ?? '', row])));
}

async function agree<Args extends GuestArgs, State>(
  t: { deepEqual(a: unknown, b: unknown): void },
  table: Table<State>,
  batch: Args[],
  semantics: Semantics<Args, State>,
) {
  const expected = copy(table);
  const actual = copy(table);
  const outcomes = await applyFolded(batch, modelOf(actual, semantics));
  t.deepEqual(kinds(outcomes), oracle(expected, batch, semantics));
  t.deepEqual([...actual], [...expected]);
}

interface StatusArgs extends GuestArgs {
  readonly status: string | undefined;
}
const restart = 'restart required';
/** As in methods/heartbeat.ts; in the model a row always has a status, and a fold may have none. */
const statusSemantics: Semantics<StatusArgs, string | undefined> = {
  initial: undefined,
  reduce: (before, { status }) => (status === undefined || before === restart ? before : status),
  store: (row, fold) => (row === restart || fold === undefined ? row : fold),
};

test('folding heartbeats equals applying them one after the other', async (t) => {
  const words = fc.constantFrom('running', 'building', restart, undefined);
  const messages = fc.record({ key: fc.constantFrom(...keys), guard: guards, status: words }).map(
    ({ key, guard, status }): StatusArgs => ({
      instanceId: key,
      key,
      status,
      guard: status === undefined ? undefined : guard,
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      tables(fc.constantFrom<string | undefined>('new', 'running', restart)),
      fc.array(messages, { maxLength: 12 }),
      (table, batch) => agree(t, table, batch, statusSemantics),
    ),
    { numRuns: 3000 },
  );
});

interface FieldArgs extends GuestArgs {
  readonly fields: Record<string, number>;
}
const fieldSemantics: Semantics<FieldArgs, Record<string, number>> = {
  initial: {},
  reduce: (before, { fields }) => ({ ...before, ...fields }),
  store: (row, fold) => ({ ...row, ...fold }),
};

test('folding partial backups equals applying them one after the other', async (t) => {
  const fields = fc.dictionary(fc.constantFrom('state', 'size', 'location'), fc.nat(9));
  const messages = fc
    .record({ key: fc.constantFrom(...keys), guard: guards, fields })
    .map(({ key, guard, fields }): FieldArgs => ({ instanceId: key, key, guard, fields }));
  await fc.assert(
    fc.asyncProperty(tables(fields), fc.array(messages, { maxLength: 12 }), (table, batch) =>
      agree(t, table, batch, fieldSemantics),
    ),
    { numRuns: 3000 },
  );
});
