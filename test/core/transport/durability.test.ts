import test from 'ava';
import fc from 'fast-check';
import {
  isLess,
  leastOf,
  type Shortfall,
  type Survival,
  survivalOf,
  survivals,
  withWord,
} from '../../../src/core/transport/durability.ts';

const survival = fc.constantFrom<Survival>(...survivals);
const shortfall: fc.Arbitrary<Shortfall> = fc.record({
  survives: fc.constantFrom('nothing', 'process', 'system', 'power'),
  because: fc.constant('it is so'),
  raise: fc.constant('do something'),
  isUnknown: fc.boolean(),
});

test('a message survives a failover if nothing is short of it, and otherwise the least of all', (t) => {
  t.is(survivalOf([]), 'failover');
  t.is(leastOf(['power', 'process', 'failover']), 'process');
  t.true(isLess('process', 'system'));
  t.true(isLess('system', 'power'));
  t.false(isLess('failover', 'failover'));
});

test("the operator's word never makes a message survive less, and never more than what is known", (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(shortfall), survival, (shortfalls, word) => {
        const [before, after] = [survivalOf(shortfalls), survivalOf(withWord(shortfalls, word))];
        const known = survivalOf(shortfalls.filter(({ isUnknown }) => isUnknown !== true));
        return !isLess(after, before) && !isLess(known, after) && (after === before || !isLess(word, after));
      }),
    ),
  );
});

test('without a word of the operator the worst is assumed for what is unknown', (t) => {
  const shortfalls: Shortfall[] = [{ survives: 'process', because: '', raise: '', isUnknown: true }];
  t.is(survivalOf(withWord(shortfalls, 'unknown')), 'process');
  t.is(survivalOf(withWord(shortfalls, 'power')), 'power');
  t.is(survivalOf(withWord(shortfalls, 'failover')), 'failover');
});
