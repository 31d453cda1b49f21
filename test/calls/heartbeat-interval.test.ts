import ava from 'ava';
import fc from 'fast-check';
import { intervalFor } from '../../src/workers/methods/heartbeat-interval/index.ts';
import { needs } from '../support/services.ts';
import { openCaller } from './support.ts';

const test = needs(ava, 'postgres');

ava(
  'a fleet that follows the interval sends at most so many heartbeats a second, unless guests would seem silent',
  (t) => {
    fc.assert(
      fc.property(
        fc.nat({ max: 10_000_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 1, max: 60_000 }),
        (fleet, perSecond, least) => {
          const most = least * 3;
          const interval = intervalFor(fleet, { least, most, perSecond });
          const isWithin = interval >= least / 1000 && interval <= most / 1000;
          return isWithin && (interval === most / 1000 || fleet / interval <= perSecond * 1.000001);
        },
      ),
    );
    t.is(intervalFor(1_000_000, { least: 30_000, most: 90_000, perSecond: 0 }), 30);
    t.pass();
  },
);

test('a guest is told an interval, and a next time between one and two of them', async (t) => {
  const { result, database } = await openCaller(t);
  await database.query(`
    INSERT INTO service_statuses (id, instance_id, status_id, status_description)
    SELECT g, g, 1, 'running' FROM generate_series(1, 50000) AS g;
    ANALYZE service_statuses`);
  const { interval, next } = await result('heartbeat_interval', {}, { sender: 'i-1' });
  t.is(interval, 50);
  t.true(Number(next) >= 50 && Number(next) <= 100, String(next));
});
