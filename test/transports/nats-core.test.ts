import test from 'ava';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { arrive, open, soon, texts } from './nats-support.ts';

/** NATS without JetStream. */

const natsTest = needs(test, 'nats');

natsTest('core NATS: a message is delivered once, and a message without a subscriber is lost', async (t) => {
  const { id, broker, consume, warnings } = await open(t, { jetstream: false, auth: { mode: 'subject' } });
  const publish = async (text: string) => {
    broker.publish(`test.${id}.guest`, text);
    await broker.flush();
  };
  await publish('before');
  const { session, deliveries } = await consume();
  t.true(warnings.join('').includes('AT MOST ONCE'));
  await publish('during');
  await arrive(deliveries, 1);
  t.like(deliveries[0]?.meta, { sender: 'guest', senderProof: 'subject', redelivered: false });
  session.settle(deliveries, 'release');
  await session.drain(soon());
  await publish('paused');
  session.resume();
  await waitFor(
    async () => {
      await publish('last');
      return texts(deliveries).includes('last');
    },
    { what: 'a message after it was resumed' },
  );
  t.deepEqual([...new Set(texts(deliveries))], ['during', 'last']);
});

natsTest(
  'core NATS: excess messages are dropped and reported, and a plain request is answered',
  async (t) => {
    let room = false;
    let refused = 0;
    const { id, broker, consume, warnings } = await open(t, { jetstream: false });
    const { session, deliveries } = await consume(100, () => {
      if (!room) refused += 1;
      return room;
    });
    for (let number = 0; number < 5; number += 1) broker.publish(`test.${id}.guest`, 'x');
    await broker.flush();
    // The publisher's server has them; the session reads them in its own time.
    await waitFor(() => refused > 0, { what: 'a message that there is no room for' });
    room = true;
    session.resume();
    const answer = await waitFor(
      async () => {
        const asking = broker.request(`test.${id}.guest`, 'question', { timeout: 300 });
        asking.catch(() => {});
        await waitFor(() => deliveries.some(({ meta }) => meta.replyTo), {
          what: 'the request',
          timeout: 250,
        });
        const name = deliveries.at(-1)?.meta.replyTo ?? '';
        await session.publish({ to: { kind: 'reply', name }, body: Buffer.from('answer') });
        return await asking;
      },
      { what: 'an answer' },
    );
    t.is(answer.string(), 'answer');
    await session.stop(soon());
    t.regex(warnings.join(''), /"dropped":[1-5].*the rest is lost/);
  },
);
