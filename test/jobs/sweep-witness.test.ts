import test from 'ava';
import { SweepWitness } from '../../src/conductor/sweep.ts';
import type { Stall } from '../../src/core/transport/contract.ts';
import { waitFor } from '../support/wait.ts';

test('there is no calm while a broker has stalled, since the heartbeats of its guests wait there', async (t) => {
  let stall: Stall | undefined;
  const session = {
    get stall() {
      return stall;
    },
  };
  const witness = new SweepWitness(
    { sweep: { mode: 'on' } },
    [{ supervisor: { state: 'consuming', openSession: session } }],
    { heldBecause: undefined, oldestUnsettled: 0 },
    () => false,
  );
  witness.start();
  t.teardown(() => witness.stop());
  await waitFor(() => witness.tell().calmFor > 100, { what: 'the calm' });
  stall = { since: performance.now(), because: 'it delivers nothing' };
  t.true(witness.tell().calmFor < 50);
  stall = undefined;
  await waitFor(() => witness.tell().calmFor > 100, { what: 'the calm after the stall' });
});
