import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import ava from 'ava';
import { pino } from 'pino';
import { Undeliverable } from '../../src/core/errors.ts';
import type { Publication } from '../../src/core/transport/contract.ts';
import { startNats } from '../support/nats.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { configure, open, soon } from './nats-support.ts';

const test = needs(ava, 'nats');

const notification = (name: string, messageId: string): Publication => ({
  to: { kind: 'topic', name },
  body: Buffer.from('{}'),
  messageId,
});

test('a notification is in the stream that keeps its subject, once for each id', async (t) => {
  const { id, manager, consume } = await open(t);
  const { session } = await consume();
  const topic = `notices.${id}`;
  const { config } = await manager.streams.add({ name: `${id}-notices`, subjects: [topic] });
  t.teardown(() => manager.streams.delete(config.name));
  for (const messageId of ['one', 'two', 'one']) {
    await session.publish(notification(topic, messageId));
    const { state } = await manager.streams.info(config.name);
    t.is(state.messages, messageId === 'one' && state.messages === 1 ? 1 : 2);
  }
  const kept = await manager.streams.getMessage(config.name, { seq: 2 });
  t.is(kept?.header.get('Nats-Msg-Id'), 'two');
});

test('a notification that a full stream refuses is undeliverable, and the session goes on', async (t) => {
  const { id, manager, consume } = await open(t);
  const { session } = await consume();
  const topic = `notices.${id}`;
  const name = `${id}-notices`;
  await manager.streams.add({ name, subjects: [topic], max_msgs: 1, discard: 'new' });
  t.teardown(() => manager.streams.delete(name));
  await session.publish(notification(topic, 'one'));
  await t.throwsAsync(session.publish(notification(topic, 'two')), {
    instanceOf: Undeliverable,
    message: 'the stream refuses it: maximum messages exceeded',
  });
  await manager.streams.purge(name);
  await session.publish(notification(topic, 'two'));
  t.is((await manager.streams.info(name)).state.messages, 1);
});

test('without a stream a notification goes to the present subscribers', async (t) => {
  const { id, broker, consume } = await open(t);
  const { session } = await consume();
  const heard: string[] = [];
  broker.subscribe(`notices.${id}`, {
    callback: (_, { headers }) => void heard.push(headers?.get('Nats-Msg-Id') ?? ''),
  });
  await broker.flush();
  for (const messageId of ['one', 'two']) await session.publish(notification(`notices.${id}`, messageId));
  await waitFor(() => heard.length === 2, { what: 'both' });
  t.deepEqual(heard, ['one', 'two']);
});

test('without the right to ask for streams a notification is published all the same', async (t) => {
  const server = await startNats({
    settings: [
      `authorization { users [
        { user: admin, password: a }
        { user: conductor, password: b, permissions: { publish: { deny: ["$JS.API.STREAM.NAMES", "closed.>"] } } }
      ] }`,
    ],
  });
  t.teardown(server.stop);
  const admin = await connect({ servers: server.url, user: 'admin', pass: 'a' });
  t.teardown(() => admin.close());
  await (await jetstreamManager(admin)).streams.add({ name: 'guests', subjects: ['guests.*'] });
  const heard: string[] = [];
  admin.subscribe('notices', {
    callback: (_, { headers }) => void heard.push(headers?.get('Nats-Msg-Id') ?? ''),
  });
  await admin.flush();
  const session = await configure({
    ...{ url: server.url, user: 'conductor', password: 'b', stream: 'guests', subject: 'guests.*' },
  })
    .create({ share: { messages: 1, bytes: 1000 }, replica: 'test', logger: pino({ level: 'silent' }) })
    .connect(() => true);
  t.teardown(() => session.stop(soon()));
  await session.publish(notification('notices', 'one'));
  await waitFor(() => heard.length === 1, { what: 'the notification' });
  await t.throwsAsync(session.publish(notification('closed.notices', 'two')), { instanceOf: Undeliverable });
  await session.publish(notification('notices', 'three'));
  await waitFor(() => heard.length === 2, { what: 'the next one' });
  t.deepEqual(heard, ['one', 'three']);
});
