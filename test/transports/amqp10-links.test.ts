import { queryObjects } from 'node:v8';
import test from 'ava';
import { SenderLink } from '../../src/transports/amqp10/sender-link.ts';
import { make } from '../conformance/subjects/subject.ts';
import { waitFor } from '../support/wait.ts';
import { startFakeBroker } from './fake-broker.ts';

test('nothing is kept of the links to callers that were answered long ago', async (t) => {
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
