import test from 'ava';
import type { EventContext } from 'rhea';
import { waitFor } from '../support/wait.ts';
import { consume } from './amqp10-support.ts';

const reply = (name: string, correlationId?: string) =>
  ({ to: { kind: 'reply', name }, body: Buffer.from('answer'), correlationId }) as const;

for (const offeredCapabilities of ['ANONYMOUS-RELAY', 'OTHER']) {
  test(`answers to many addresses arrive if the broker offers ${offeredCapabilities}, and few links are kept`, async (t) => {
    const { broker, session } = await consume(t, { offeredCapabilities });
    const got: string[] = [];
    let open = 0;
    broker.container.on('receiver_open', () => {
      open += 1;
    });
    broker.container.on('session_close', () => {
      open -= 1;
    });
    broker.container.on('message', ({ message }: EventContext) => {
      const { to, correlation_id: id, body } = message ?? {};
      got.push(`${to} ${id instanceof Buffer ? id.toString('hex') : id} ${body.content}`);
    });
    for (let number = 0; number < 100; number += 1)
      await session.publish(reply(`r-${number}`, `c-${number}`));
    await session.publish(reply('r-0', `ID:AMQP_UUID:${'00'.repeat(16)}`));
    t.is(got[7], 'r-7 c-7 answer');
    t.is(got[100], `r-0 ${'00'.repeat(16)} answer`);
    const kept = offeredCapabilities === 'ANONYMOUS-RELAY' ? 1 : 64;
    await waitFor(() => open === kept, { what: `${kept} links to be open` });
  });
}

test('an answer without a receiver is done; a refused one, and a notification without a receiver, are undeliverable', async (t) => {
  const { broker, session } = await consume(t, { offeredCapabilities: 'ANONYMOUS-RELAY', autoaccept: false });
  const answers: ((context: EventContext) => void)[] = [];
  broker.container.on('message', (context: EventContext) => answers.shift()?.(context));
  const topic = { to: { kind: 'topic', name: 'notifications' }, body: Buffer.from('x') } as const;
  answers.push(
    ({ delivery }) => delivery?.release(),
    ({ delivery }) => delivery?.release(),
    ({ delivery }) => delivery?.reject({ condition: 'amqp:not-allowed', description: 'too large' }),
  );
  await session.publish(reply('gone'));
  await t.throwsAsync(session.publish(topic), {
    name: 'Undeliverable',
    message: 'nobody is at notifications',
  });
  await t.throwsAsync(session.publish(reply('r')), { name: 'Undeliverable', message: /too large/ });
  const unanswered = session.publish(reply('r'));
  broker.cut();
  await t.throwsAsync(unanswered, { name: 'NotConnected' });
});
