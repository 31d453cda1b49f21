import { queryObjects } from 'node:v8';
import test from 'ava';
import { SenderLink } from '../../src/transports/amqp10/sender-links.ts';
import { make } from '../conformance/subjects/subject.ts';
import { waitFor } from '../support/wait.ts';
import { startFakeBroker } from './fake-broker.ts';

test('links to callers are dropped some time after their answers', async (t) => {
  const broker = await startFakeBroker(t);
  const session = await make('amqp10', { url: broker.url }, 10).connect(() => true);
  t.teardown(() => session.stop(AbortSignal.timeout(5000)));
  for (let number = 0; number < 300; number += 1)
    await session.publish({ to: { kind: 'reply', name: `caller-${number}` }, body: Buffer.from('{}') });
  // 64 are kept open.
  await waitFor(() => queryObjects(SenderLink, { format: 'count' }) < 100, {
    what: 'the links to be collected',
    timeout: 3000,
  });
  t.pass();
});

const own = { product: 'RabbitMQ' };
for (const { what, properties, options, refused, allowed } of [
  {
    what: 'RabbitMQ 3',
    properties: { ...own, version: '3.10.8' },
    options: { address: 'conductor', target: '/exchange/guests/conductor.{sender}' },
    refused: [
      'conductor',
      '/queue/conductor',
      '/amq/queue/conductor',
      '/queue/%63onductor',
      '/exchange//conductor',
      '/exchange/amq.default/conductor',
      '/exchange/guests/conductor.i-1',
    ],
    allowed: ['conductor2', '/queue/r', '/exchange/others/conductor.i-1', '/exchange/guests/r'],
  },
  {
    what: 'RabbitMQ 4',
    properties: { ...own, version: '4.1.0' },
    options: { address: 'a/b', target: '/queues/a%2Fb' },
    refused: ['a/b', '/queues/a%2Fb', '/exchanges/amq.default/a%2Fb'],
    allowed: ['a', '/queues/b', '/exchanges/x/a%2Fb', '/queues/%zz'],
  },
  {
    what: 'another broker',
    properties: { product: 'other', version: '1.0' },
    options: { address: 'conductor', target: '{sender}' },
    refused: ['conductor', 'queue://conductor', 'conductor::conductor'],
    allowed: ['r', 'conductor.r', 'topic://r'],
  },
] as const) {
  test(`no answer goes to our own queue, in any notation: ${what}`, async (t) => {
    const broker = await startFakeBroker(t, { properties, offeredCapabilities: 'ANONYMOUS-RELAY' });
    const session = await make('amqp10', { url: broker.url, ...options }, 10).connect(() => true);
    t.teardown(() => session.stop(AbortSignal.timeout(5000)));
    const publish = (name: string) =>
      session.publish({ to: { kind: 'reply', name }, body: Buffer.from('{}') });
    for (const name of refused)
      await t.throwsAsync(publish(name), { name: 'Undeliverable', message: /come back/ }, name);
    for (const name of allowed) await t.notThrowsAsync(publish(name), name);
  });
}
