import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { traceIdsOf } from '../../src/core/message/trace-context.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { heartbeat, peers, ping, sender } from './peers.ts';
import { type ReadableSpan, registerSdk } from './sdk.ts';

/** The spans of a replica with an SDK of OpenTelemetry, over real brokers and a real Postgres. */

const exporter = registerSdk();

/** The context of a span that some sender has. */
function newContext() {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

const spansNamed = (name: string): ReadableSpan[] =>
  exporter.getFinishedSpans().filter((span) => span.name === name);
const idOf = (span: ReadableSpan) => span.spanContext().spanId;
const parentOf = (span: ReadableSpan) => span.parentSpanContext?.spanId;
const timeOf = ([seconds, nanoseconds]: readonly [number, number]) => seconds * 1000 + nanoseconds / 1e6;
const childOf = (name: string, spanId: string) =>
  waitFor(() => spansNamed(name).find((span) => parentOf(span) === spanId), {
    what: `the span ${name} of ${spanId}`,
  });

for (const { label, service, open } of peers)
  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: a sender's span leads to receive, process, transaction and settle, and an answer leads back`,
    async (t) => {
      const peer = await open(t);
      const database = await createDatabase(t, { migrated: true });
      await insertInstances(database, sender);
      await startConductorHere(t, { database: database.url, transports: { edge: peer.entry } });
      const { send, answers } = await peer.open();
      const before = Date.now();

      const own = newContext();
      await send({ body: heartbeat(), properties: { traceparent: own.traceparent, tracestate: 'a=1,b=2' } });
      const receive = await childOf('receive', own.spanId);
      t.is(receive.spanContext().traceId, own.traceId);
      t.is(receive.parentSpanContext?.isRemote, true);
      t.is(receive.spanContext().traceState?.serialize(), 'a=1,b=2');
      t.is(receive.attributes['conductor.transport'], 'edge');
      const process = await waitFor(
        () => spansNamed('process').find(({ links }) => links[0]?.context.spanId === own.spanId),
        { what: 'the span of the batch' },
      );
      t.is(process.parentSpanContext, undefined);
      t.is(receive.links[0]?.context.spanId, idOf(process));
      t.like(process.attributes, {
        'conductor.transport': 'edge',
        'conductor.batch.size': 1,
        'conductor.outcome.applied': 1,
      });
      const settle = await childOf('settle', idOf(process));
      t.is(settle.attributes['conductor.settlement'], 'done');
      const transaction = await childOf('transaction', idOf(process));
      t.is(transaction.attributes['conductor.transaction.committed'], true);
      const times = [
        receive.startTime,
        receive.endTime,
        transaction.startTime,
        transaction.endTime,
        process.endTime,
        settle.startTime,
        settle.endTime,
      ].map(timeOf);
      t.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      t.true((times[0] ?? 0) > before - 1000 && (times.at(-1) ?? 0) < Date.now() + 1000, `${times}`);

      const caller = newContext();
      await send({ body: ping, properties: { traceparent: caller.traceparent }, call: 'c1' });
      const executed = await childOf('process', caller.spanId);
      t.like(executed.attributes, { 'conductor.outcome': 'answered', 'conductor.method': 'ping' });
      await childOf('settle', idOf(executed));
      await childOf('transaction', idOf(executed));
      const answer = await waitFor(() => answers[0], { what: 'the answer' });
      t.is(answer.correlationId, 'c1');
      const ids = traceIdsOf(String(answer.properties.traceparent));
      t.deepEqual(ids, { traceId: caller.traceId, spanId: idOf(executed), isSampled: true });

      // In any case of letters, and without a tracestate.
      const other = newContext();
      await send({ body: heartbeat(), properties: { Traceparent: other.traceparent } });
      await childOf('receive', other.spanId);

      const received = spansNamed('receive').length;
      const hostile = ['', 'x', own.traceparent.toUpperCase(), `${own.traceparent}0`, '\u{1f600}'];
      for (const traceparent of hostile) await send({ body: heartbeat(), properties: { traceparent } });
      await send({ body: ping, call: 'c2' });
      const second = await waitFor(() => answers[1], { what: 'the second answer' });
      t.is(spansNamed('receive').length, received, 'no invalid context has a span');
      t.truthy(traceIdsOf(String(second.properties.traceparent)), 'a call without a context begins a trace');
      t.deepEqual(await database.query('SELECT reason FROM dead_letters'), []);
    },
  );

const page = readFileSync(new URL('../../docs/tracing.md', import.meta.url), 'utf8');
const [first] = peers;
needs(
  test.serial,
  first.service,
  'postgres',
)('pg_stat_activity shows the trace of a transaction while it runs, and not afterwards', async (t) => {
  const peer = await first.open(t);
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, sender);
  await database.query(
    'CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$ LANGUAGE plpgsql',
  );
  await database.query(
    'CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON service_statuses FOR EACH ROW EXECUTE FUNCTION slow()',
  );
  await startConductorHere(t, { database: database.url, transports: { edge: peer.entry } });
  const { send } = await peer.open();
  const names = async () => {
    const rows = await database.query<{ application_name: string }>(
      "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'conductor test%'",
    );
    return rows.map(({ application_name }) => application_name);
  };
  const [, query = ''] = /^```sql\n([\s\S]*?)^```/m.exec(page) ?? [];
  t.regex(query, /pg_stat_activity/);
  await t.notThrowsAsync(database.query(query));
  const { traceparent, spanId } = newContext();
  await send({ body: heartbeat(), properties: { traceparent } });
  const shown = await waitFor(
    async () => (await names()).find((name) => /^conductor test [\da-f]{32}$/.test(name)),
    { what: 'the trace in pg_stat_activity' },
  );
  const process = await waitFor(
    () => spansNamed('process').find(({ links }) => links[0]?.context.spanId === spanId),
    { what: 'the span of the batch' },
  );
  t.is(shown, `conductor test ${process.spanContext().traceId}`);
  t.deepEqual(
    [...new Set(await names())].filter((name) => /[\da-f]{32}/.test(name)),
    [],
  );
});
