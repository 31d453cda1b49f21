import ava from 'ava';
import { countLetters, type LetterFilter, listLetters } from '../../src/database/dead-letters.ts';
import {
  markForRedrive,
  purgeLetters,
  wouldPurge,
  wouldRedrive,
} from '../../src/database/dead-letters-change.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { lettersWhere, someLetters } from './dead-support.ts';

const test = needs(ava, 'postgres');
const hour = 3_600_000;
const waits = 'redrive_at IS NOT NULL AND redriven_at IS NULL';
const noProgress = () => {};
const request = { by: 'me@here', rate: undefined, limit: 1000 };

const cases: readonly (readonly [LetterFilter, readonly number[]])[] = [
  [{}, [1, 2, 3, 4, 5, 6]],
  [{ reason: 'refused' }, [2, 3]],
  [{ method: 'heartbeat' }, [1, 2]],
  [{ instance: 'i1' }, [1, 3]],
  [{ sender: 'mallory' }, [6]],
  [{ transport: 'edge' }, [1, 2, 6]],
  [{ olderThan: 2.5 * hour }, [1, 2]],
  [{ newerThan: 2.5 * hour }, [3, 4, 5, 6]],
  [{ messageId: 'm2' }, [2]],
  [{ text: 'IS MISSING' }, [2]],
  [{ text: '%' }, []],
  [{ ids: ['6', '4', '77'] }, [4, 6]],
  [{ reason: 'refused', transport: 'edge', method: 'heartbeat' }, [2]],
];

for (const [filter, chosen] of cases) {
  test(`list, redrive and purge with ${JSON.stringify(filter)} take the same letters`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await someLetters(database);
    const listed = await listLetters(database.query, filter, 100);
    t.deepEqual(
      listed.map(({ id }) => Number(id)),
      chosen.toReversed(),
    );
    const redriven = chosen.filter((id) => id < 5);
    const told = await wouldRedrive(database.query, filter, 1000);
    t.is(told.marked, redriven.length);
    t.deepEqual(await lettersWhere(database, waits), []);
    const marked = await markForRedrive(database.query, filter, request, noProgress);
    t.deepEqual({ marked: marked.marked, refused: marked.refused }, told);
    t.deepEqual(marked.refused, {
      ...(chosen.includes(5) && { cut: 1 }),
      ...(chosen.includes(6) && { call: 1 }),
    });
    t.deepEqual(await lettersWhere(database, waits), redriven);
    t.deepEqual(await lettersWhere(database, `redrive_by = 'me@here'`), redriven);
    // Those that wait are kept.
    const left = chosen.filter((id) => id >= 5);
    t.is(await wouldPurge(database.query, filter, 1000), left.length);
    t.is(await purgeLetters(database.query, filter, 1000, noProgress), left.length);
    t.is(
      await purgeLetters(database.query, { ...filter, state: 'waiting' }, 1000, noProgress),
      redriven.length,
    );
    t.deepEqual(
      await lettersWhere(database, 'true'),
      [1, 2, 3, 4, 5, 6].filter((id) => !chosen.includes(id)),
    );
  });
}

/** As many letters that can be redriven. */
const fill = (database: TestDatabase, count: number) =>
  database.query(
    `INSERT INTO dead_letters (transport, reason, body, body_size, body_digest)
     SELECT 'edge', 'refused', '{}', 2, '' FROM generate_series(1, $1)`,
    [count],
  );

test('a limit takes the oldest letters, and the letters that are refused do not count', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await someLetters(database);
  await database.query('UPDATE dead_letters SET redacted = true WHERE id IN (1, 3)');
  const marked = await markForRedrive(database.query, {}, { ...request, limit: 2 }, noProgress);
  t.like(marked, { marked: 2, refused: { redacted: 2 } });
  t.deepEqual(await lettersWhere(database, waits), [2, 4]);
  t.is(await purgeLetters(database.query, {}, 1, noProgress), 1);
  t.deepEqual(await lettersWhere(database, 'true'), [2, 3, 4, 5, 6]);
});

test('more letters are marked and purged than one statement takes, and the progress is told', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await fill(database, 2500);
  const sums: number[] = [];
  const marked = await markForRedrive(database.query, {}, { ...request, limit: 2300 }, (sum) =>
    sums.push(sum),
  );
  t.is(marked.marked, 2300);
  t.deepEqual(sums, [1000, 2000, 2300]);
  t.is((await lettersWhere(database, waits)).length, 2300);
  t.is(await purgeLetters(database.query, { state: 'waiting' }, 10_000, noProgress), 2300);
  t.is((await lettersWhere(database, 'true')).length, 200);
});

test('a rate spaces the redrives evenly, and a second command goes on where the first one ends', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await fill(database, 2500);
  await markForRedrive(database.query, {}, { ...request, rate: 100, limit: 1500 }, noProgress);
  await markForRedrive(database.query, {}, { ...request, rate: 100 }, noProgress);
  const [row] = await database.query<{ least: number; most: number; span: number }>(`
    SELECT min(gap)::double precision AS least, max(gap)::double precision AS most,
      extract(epoch FROM max(redrive_at) - min(redrive_at))::double precision AS span
    FROM (SELECT redrive_at, extract(epoch FROM redrive_at - lag(redrive_at) OVER (ORDER BY redrive_at, id)) AS gap
          FROM dead_letters) AS gaps`);
  // The first of the second command comes with the last of the first one.
  t.true(row !== undefined && row.least >= 0 && row.most < 0.0101, JSON.stringify(row));
  t.true(row !== undefined && Math.abs(row.span - 24.98) < 0.001, JSON.stringify(row));
});

test('letters that were redriven are not redriven again, and those that died again are', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await someLetters(database);
  await database.query(
    `UPDATE dead_letters SET redrive_at = now(), redriven_at = now(), redrive_outcome = 'applied' WHERE id = 1`,
  );
  await database.query(`UPDATE dead_letters SET redriven_at = now(), redrive_outcome = 'dead' WHERE id = 2`);
  t.is((await markForRedrive(database.query, {}, request, noProgress)).marked, 3);
  t.deepEqual(await lettersWhere(database, waits), [2, 3, 4]);
  const [applied] = await listLetters(database.query, { state: 'redriven' }, 10);
  t.like(applied, { id: '1', state: 'redriven', redriveOutcome: 'applied' });
});

test('letters are counted by transport, reason and state, and a row that counts messages stands for them', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  await someLetters(database);
  await database.query('UPDATE dead_letters SET counted = 500 WHERE id = 4');
  const counts = await countLetters(database.query, { transport: 'rabbit' });
  t.deepEqual(
    counts.map(({ reason, state, letters, messages }) => [reason, state, letters, messages]),
    [
      ['not_json', 'dead', 1, 500],
      ['refused', 'dead', 1, 1],
      ['too_large', 'dead', 1, 1],
    ],
  );
});
