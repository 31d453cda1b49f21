import test from 'ava';
import { formatPeers } from '../../bench/peers/command.ts';
import { conductor } from '../../bench/peers/conductor.ts';
import { measurePeer } from '../../bench/peers/measure.ts';
import { trove } from '../../bench/peers/trove/index.ts';
import { startPostgres } from '../support/postgres.ts';
import { findRabbitmq, startRabbitmq } from '../support/rabbitmq.ts';
import { onlyIf } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const withRabbitmq = onlyIf(test, findRabbitmq() !== undefined, 'rabbitmq-server is not installed');

withRabbitmq(
  'the conductor is measured as its peers are, and loses nothing when it and Postgres are killed',
  async (t) => {
    const postgres = await startPostgres({ settings: { track_commit_timestamp: 'on' } });
    t.teardown(() => postgres.stop());
    const broker = await startRabbitmq();
    t.teardown(() => broker.kill());
    const folder = temporaryDirectory('peers');
    const figures = await measurePeer({ ...conductor, about: 300 }, { broker, postgres, folder });
    t.like(figures, { name: 'conductor', lost: 0, of: 1200 });
    t.true(figures.rate > 0 && figures.p99 > 0 && figures.cpu.peer > 0);
    t.regex(formatPeers([figures]), /^ *conductor +\d+ +1\.0 .* 0 of 1200$/m);
  },
);

test('a peer that is not installed says how to install it', async (t) => {
  const missing = await trove.missing();
  t.true(missing === undefined || missing.includes('apt-get install'), missing);
});
