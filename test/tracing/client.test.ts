import { context, trace } from '@opentelemetry/api';
import test from 'ava';
import { connect } from '../../src/public/client.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { peers, sender } from './peers.ts';
import { registerSdk } from './sdk.ts';

/** The client passes on the span that is active in its caller's code. */

const exporter = registerSdk();
const tracer = trace.getTracer('a guest');

for (const { label, service, open } of peers)
  needs(
    test.serial,
    service,
    'postgres',
  )(
    `${label}: the conductor's spans are children of the span in which the client casts and calls`,
    async (t) => {
      const { entry } = await open(t);
      const database = await createDatabase(t, { migrated: true });
      await insertInstances(database, sender);
      await startConductorHere(t, { database: database.url, transports: { edge: entry } });
      const { clientId: _, kind, ...rest } = entry;
      const client = await connect({ transport: { kind: String(kind), ...rest }, sender });
      t.teardown(() => client.close());
      const within = async (work: () => Promise<unknown>) => {
        const span = tracer.startSpan('work');
        await context.with(trace.setSpan(context.active(), span), work);
        span.end();
        return span.spanContext();
      };
      const childOf = (name: string, { spanId }: { readonly spanId: string }) =>
        waitFor(
          () =>
            exporter
              .getFinishedSpans()
              .find((span) => span.name === name && span.parentSpanContext?.spanId === spanId),
          { what: `the span ${name}` },
        );
      const casting = await within(() =>
        client.cast('heartbeat', { payload: { service_status: 'running' } }),
      );
      t.is((await childOf('receive', casting)).spanContext().traceId, casting.traceId);
      const calling = await within(() => client.call('ping', {}, { timeout: 10_000 }));
      t.is((await childOf('process', calling)).spanContext().traceId, calling.traceId);

      const before = exporter.getFinishedSpans().filter(({ name }) => name === 'receive').length;
      await client.call('ping', {}, { timeout: 10_000 });
      const after = exporter.getFinishedSpans().filter(({ name }) => name === 'receive').length;
      t.is(after, before, 'without an active span no context is sent');
    },
  );
