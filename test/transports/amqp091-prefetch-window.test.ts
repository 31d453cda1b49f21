import test from 'ava';
import { Prefetch } from '../../src/transports/amqp091/session-prefetch.ts';

test('a consumer that was made while most messages were held is renewed once few are held, not a window later', (t) => {
  const prefetch = new Prefetch(4000);
  t.is(prefetch.grant(0), 4000);
  // Held, paused and resumed: the broker counts for each consumer by itself.
  t.is(prefetch.grant(3999), 1);
  t.false(prefetch.settled(1000, 2999));
  t.false(prefetch.isTooSmall);
  t.true(prefetch.settled(2000, 999));
  t.true(prefetch.isTooSmall);
  t.true(prefetch.mayConsume(999));
  t.is(prefetch.grant(999), 3001);
  // That is enough.
  t.false(prefetch.settled(999, 0));
});

test('in the ordinary flow a consumer is never renewed', (t) => {
  const prefetch = new Prefetch(4000);
  prefetch.grant(0);
  for (let round = 0; round < 100; round += 1) t.false(prefetch.settled(1000, (round % 4) * 1000));
});
