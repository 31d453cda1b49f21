import test from 'ava';
import pg from 'pg';
import { holdCauseOf, MethodHeld } from '../../src/workers/batch/hold-cause.ts';
import { TransactionFailed } from '../../src/workers/batch/transact.ts';

function refusal(code: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('refused', 7, 'error'), { code });
}

for (const [code, cause] of [
  ['08006', 'database-unreachable'],
  ['25006', 'database-read-only'],
  ['28P01', 'database-sign-in'],
  ['3D000', 'database-refuses'],
  ['42P01', 'database-refuses'],
  ['53100', 'database-full'],
  ['53300', 'database-overloaded'],
  ['55P03', 'locked'],
  ['57P01', 'database-unreachable'],
] as const)
  test(`messages that SQLSTATE ${code} holds are held because of ${cause}`, (t) => {
    t.is(holdCauseOf(refusal(code)), cause);
    t.is(holdCauseOf(new TransactionFailed(refusal(code), 'infrastructure')), cause);
  });

test('a lost connection is told from a fault of our own', (t) => {
  t.is(
    holdCauseOf(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })),
    'database-unreachable',
  );
  t.is(holdCauseOf(new TypeError('undefined is not a function')), 'worker-failed');
  t.is(holdCauseOf(new MethodHeld('refusal-storm', 'too many')), 'refusal-storm');
});
