import test from 'ava';
import { doubleArray, integerArray, textArray } from '../../src/workers/postgres/binary-array.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';

needs(test, 'postgres')('Postgres reads the same values from our binary arrays', async (t) => {
  const database = await createDatabase(t);
  const texts = ['', 'plain', 'with "quotes", {braces} and \\', 'NULL', 'ä€😀'.repeat(12)];
  const integers = [0, -1, 2 ** 31 - 1, -(2 ** 31)];
  const doubles = [0.1, 1_700_000_000.123456, Number.NEGATIVE_INFINITY, -5e-324];
  const [row] = await database.query(
    'SELECT $1::text[] AS texts, $2::integer[] AS integers, $3::float8[] AS doubles',
    [textArray(texts), integerArray(integers), doubleArray(doubles)],
  );
  t.deepEqual(row, { texts, integers, doubles });
});

needs(test, 'postgres')('an empty array stays an empty array', async (t) => {
  const database = await createDatabase(t);
  const [row] = await database.query('SELECT $1::text[] AS texts, $2::float8[] AS doubles', [
    textArray([]),
    doubleArray([]),
  ]);
  t.deepEqual(row, { texts: [], doubles: [] });
});
