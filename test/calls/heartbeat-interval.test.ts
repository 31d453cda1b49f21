import ava from 'ava';
import fc from 'fast-check';
import { version } from '../../src/core/version.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import { intervalFor } from '../../src/workers/methods/pace.ts';
import { needs } from '../support/services.ts';
import { raw } from '../support/worker.ts';
import { answerOf, openCaller } from './support.ts';

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

test('the answer to a ping has the pace too, but not in the form of Trove', async (t) => {
  const { result, context, database } = await openCaller(t);
  await database.query(`
    INSERT INTO service_statuses (id, instance_id, status_id, status_description)
    SELECT g, g, 1, 'running' FROM generate_series(1, 50000) AS g;
    ANALYZE service_statuses`);
  const { pong, interval, next } = await result('ping', {}, { sender: 'i-1' });
  t.true(pong);
  t.is(interval, 50);
  t.true(Number(next) >= 50 && Number(next) <= 100, String(next));
  const message = {
    method: 'ping',
    args: {},
    version: '1.0',
    _msg_id: 'm-1',
    _reply_q: 'q',
    _unique_id: 'u-1',
  };
  const body = JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
  const call = { state: context, raw: raw(body, { isCall: true }), transport: 'oslo', timeout: 5000 };
  const { 'oslo.message': answer }: { 'oslo.message'?: string } = Object(answerOf(await runCall(call)));
  t.deepEqual(JSON.parse(answer ?? '').result, { pong: true, version });
});
