import test from 'ava';
import { Calm } from '../../src/jobs/calm.ts';
import { waitFor } from '../support/wait.ts';

test('the calm grows, is over during a trouble, and begins anew after it', async (t) => {
  let isTroubled = false;
  const calm = new Calm(() => isTroubled);
  await waitFor(() => calm.milliseconds > 20, { what: 'a calm of 20 ms', interval: 1 });
  isTroubled = true;
  t.is(Math.round(calm.milliseconds), 0);
  isTroubled = false;
  t.true(calm.milliseconds < 20);
  await waitFor(() => calm.milliseconds > 20, { what: 'a calm of 20 ms', interval: 1 });
});
