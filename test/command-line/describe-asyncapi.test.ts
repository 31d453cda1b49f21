import { Parser } from '@asyncapi/parser';
import test from 'ava';
import { describe } from './describe-support.ts';

test("describe prints a document that AsyncAPI's own parser accepts", async (t) => {
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(await describe()));
  const wrong = diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version');
  t.deepEqual(wrong, []);
  const names = document
    ?.channels()
    .all()
    .map((channel) => channel.id());
  t.deepEqual(names?.sort(), [
    ...['edge', 'edge.answers', 'edge.notifications', 'edge.transitions'],
    ...['events', 'events.answers', 'events.notifications'],
    ...['old', 'old.answers', 'old.notifications', 'one_point_oh', 'one_point_oh.answers'],
    ...['one_point_oh.notifications', 'rabbit', 'rabbit.answers', 'rabbit.notifications', 'subjects'],
    ...['subjects.answers', 'subjects.notifications', 'trove', 'trove.answers', 'trove.notifications'],
  ]);
  const addresses = Object.fromEntries(
    document
      ?.channels()
      .all()
      .map((channel) => [channel.id(), channel.address()]) ?? [],
  );
  t.like(addresses, {
    rabbit: 'conductor.{sender}',
    trove: 'trove-conductor',
    one_point_oh: '/exchange/conductor/conductor.{sender}',
    subjects: 'conductor.{sender}',
    edge: 'conductor/{sender}',
    'edge.transitions': 'changes',
    'edge.answers': null,
  });
  const servers = document
    ?.servers()
    .all()
    .map((server) => `${server.id()} ${server.protocol()}://${server.host()}`);
  t.deepEqual(servers, [
    ...['rabbit.1 amqps://mq:5671', 'rabbit.2 amqps://mq2', 'trove amqp://mq', 'one_point_oh amqp1://mq'],
    ...['subjects nats://mq:4222', 'edge mqtt://mq', 'events nats://mq:4222', 'old secure-mqtt://mq'],
  ]);
});
