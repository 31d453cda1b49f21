import { randomBytes, randomUUID } from 'node:crypto';
import test from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { listenForNotifications, listenOverAmqp10 } from '../support/listeners.ts';
import { noticeBody } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { heartbeat, peers, sender } from './peers.ts';
import { registerSdk } from './sdk.ts';

/** The context of a message outlives the message: in its notification, its retry and its redrive. */

const exporter = registerSdk();

function newContext() {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/** The span of a round that has applied the message of this sender's span. */
const applied = (source: string, spanId: string) =>
  waitFor(
    () =>
      exporter
        .getFinishedSpans()
        .find(
          ({ name, attributes, links }) =>
            name === 'process' &&
            attributes['conductor.source'] === source &&
            attributes['conductor.outcome.applied'] === 1 &&
            links.some(({ context }) => context.spanId === spanId),
        ),
    { what: `the span of a round for ${source}` },
  );

for (const { label, service, open } of peers)
  needs(
    test.serial,
    service,
    'postgres',
  )(`${label}: a notification carries the context of the message that led to it, or none`, async (t) => {
    const peer = await open(t);
    const database = await createDatabase(t, { migrated: true });
    const topic = `notices-${randomUUID()}`;
    const listen = peer.entry.kind === 'amqp10' ? listenOverAmqp10 : listenForNotifications;
    const { heard } = await listen(t, peer.entry, `${topic}.info`, 'conductor');
    await startConductorHere(t, {
      database: database.url,
      transports: { edge: peer.entry },
      settings: { notifications: { topic } },
    });
    const { send } = await peer.open();
    const notice = (id: string) => String(noticeBody('native', sender, id));
    const { traceparent } = newContext();
    await send({ body: notice('r1'), properties: { traceparent, tracestate: 'a=1,b=2' } });
    await send({ body: notice('r2') });
    await waitFor(() => heard.length === 2, { what: 'both notifications' });
    const contexts = heard.map(({ requestId, properties }) => [
      requestId,
      properties.traceparent,
      properties.tracestate,
    ]);
    t.deepEqual(contexts.sort(), [
      ['r1', traceparent, 'a=1,b=2'],
      ['r2', undefined, undefined],
    ]);
  });

const [first] = peers;
const brokerTest = needs(test.serial, first.service, 'postgres');

brokerTest('the retry of a deferred message links its sender, and has a span in its trace', async (t) => {
  const peer = await first.open(t);
  const database = await createDatabase(t, { migrated: true });
  await startConductorHere(t, { database: database.url, transports: { edge: peer.entry } });
  const { send } = await peer.open();
  const { traceId, spanId, traceparent } = newContext();
  await send({ body: heartbeat(), properties: { traceparent } });
  await waitFor(async () => (await database.query('SELECT FROM deferred')).length === 1, {
    what: 'it to be deferred',
  });
  await insertInstances(database, sender);
  const process = await applied('deferred', spanId);
  t.like(process.attributes, { 'conductor.transport': 'edge', 'conductor.batch.size': 1 });
  const retries = exporter.getFinishedSpans().filter(({ name }) => name === 'retry');
  const last = retries.find(({ links }) => links[0]?.context.spanId === process.spanContext().spanId);
  t.is(last?.spanContext().traceId, traceId);
  t.is(last?.parentSpanContext?.spanId, spanId);
});

brokerTest('the redrive of a dead letter links its sender, and has a span in its trace', async (t) => {
  const peer = await first.open(t);
  const database = await createDatabase(t, { migrated: true });
  await startConductorHere(t, { database: database.url, transports: { edge: peer.entry } });
  const { send } = await peer.open();
  await insertInstances(database, sender);
  const { traceId, spanId, traceparent } = newContext();
  await send({ body: JSON.stringify({ method: 'no_such', args: {} }), properties: { traceparent } });
  await waitFor(async () => (await database.query('SELECT FROM dead_letters')).length === 1, {
    what: 'the dead letter',
  });
  await database.query('UPDATE dead_letters SET edited_body = $1, redrive_at = now()', [
    Buffer.from(heartbeat()),
  ]);
  const process = await applied('dead_letters', spanId);
  const [redrive] = exporter.getFinishedSpans().filter(({ name }) => name === 'redrive');
  t.is(redrive?.spanContext().traceId, traceId);
  t.is(redrive?.parentSpanContext?.spanId, spanId);
  t.is(redrive?.links[0]?.context.spanId, process.spanContext().spanId);
});
