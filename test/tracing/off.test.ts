import { randomUUID } from 'node:crypto';
import test from 'ava';
import { registeredTracing } from '../../src/tracing/tracing.ts';
import { FrameReader } from '../../src/transports/amqp091/read-frames.ts';
import { MetaReader as Amqp091MetaReader } from '../../src/transports/amqp091/read-meta.ts';
import { readersOf } from '../../src/transports/amqp091/read-trace.ts';
import { PublishReader } from '../../src/transports/mqtt/read-publish.ts';
import { createPublishReader } from '../../src/transports/mqtt/read-trace.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { listenForNotifications } from '../support/listeners.ts';
import { noticeBody } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { heartbeat, peers, ping, sender } from './peers.ts';

/** A replica without an SDK of OpenTelemetry. */

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('without an SDK the readers are those that know nothing of traces', (t) => {
  t.is(registeredTracing(), undefined);
  const { metas, Reader } = readersOf('none', false);
  t.is(metas.constructor, Amqp091MetaReader);
  t.is(Reader, FrameReader);
  const options = { hasProperties: true, bySubject: false, readsEvents: false };
  t.is(createPublishReader({ ...options, readsTrace: false }).constructor, PublishReader);
  t.not(createPublishReader({ ...options, readsTrace: true }).constructor, PublishReader);
});

for (const { label, service, open } of peers)
  needs(
    test,
    service,
    'postgres',
  )(`${label}: without an SDK no answer has the context of a span`, async (t) => {
    const peer = await open(t);
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, sender);
    const { log } = await startConductorHere(t, {
      database: database.url,
      transports: { edge: peer.entry },
    });
    const { send, answers } = await peer.open();
    await send({ body: heartbeat(), properties: { traceparent } });
    await send({ body: ping, properties: { traceparent }, call: 'c1' });
    const answer = await waitFor(() => answers[0], { what: 'the answer' });
    t.is(answer.correlationId, 'c1');
    t.deepEqual(
      Object.keys(answer.properties).filter((name) => name.startsWith('trace')),
      [],
    );
    t.deepEqual(
      log.all().filter(({ msg }) => msg.startsWith('tracing')),
      [],
    );
  });

const [first] = peers;
needs(
  test,
  first.service,
  'postgres',
)(
  'without an SDK a replica reads no context, and publishes one that another replica has stored',
  async (t) => {
    const peer = await first.open(t);
    const database = await createDatabase(t, { migrated: true });
    const topic = `notices-${randomUUID()}`;
    const { heard } = await listenForNotifications(t, peer.entry, `${topic}.info`, 'conductor');
    await startConductorHere(t, {
      database: database.url,
      transports: { edge: peer.entry },
      settings: { notifications: { topic } },
    });
    const { send } = await peer.open();
    await database.query(
      `INSERT INTO notification_outbox (transport, topic, message_id, body, trace_context) VALUES ('edge', $1, 'm1', $2, $3)`,
      [`${topic}.info`, noticeBody('oslo', sender, 'stored'), JSON.stringify({ traceparent })],
    );
    // Its notification wakes the outbox.
    await send({ body: String(noticeBody('native', sender, 'own')), properties: { traceparent } });
    await waitFor(() => heard.length === 2, { what: 'both notifications' });
    t.deepEqual(heard.map(({ requestId, properties }) => [requestId, properties.traceparent]).sort(), [
      ['own', undefined],
      ['stored', traceparent],
    ]);
  },
);
