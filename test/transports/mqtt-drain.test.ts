import test from 'ava';
import { arrive, consume, publish, soon } from '../../src/conformance/harness.ts';
import { mqttSubject } from '../conformance/subjects/mqtt.ts';
import { needs } from '../support/services.ts';

needs(test, 'mosquitto')('mqtt: a connection that ends during a drain ends the drain', async (t) => {
  const ends: (() => unknown)[] = [];
  t.teardown(async () => {
    for (const end of ends.toReversed()) await end();
  });
  const opened = await mqttSubject('5').openBehindProxy?.({ teardown: (end) => void ends.push(end) });
  if (opened === undefined) throw new Error('the subject offers it');
  const { session, deliveries } = await consume(opened);
  await publish(opened, 1);
  await arrive(deliveries, 1);
  const begin = performance.now();
  const drained = session.drain(soon());
  // Answered behind the unsubscribing: what is left to wait for is the delivery.
  await session.publish({ to: { kind: 'reply', name: 'caller' }, body: Buffer.from('{}') });
  opened.network.cut();
  await drained;
  t.true(performance.now() - begin < 2000);
  await session.stop(soon());
});
