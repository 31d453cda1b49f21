import { randomBytes } from 'node:crypto';
import test from 'ava';
import { stringify } from 'yaml';
import { configuration, runHere } from '../command-line/support.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { peers, sender } from './peers.ts';
import { registerSdk } from './sdk.ts';

/** The commands that send a message pass on the context that their process was started with. */

const exporter = registerSdk();

for (const { label, service, open } of peers)
  needs(
    test.serial,
    service,
    'postgres',
  )(`${label}: the commands cast and call carry the trace context of their environment`, async (t) => {
    const { entry } = await open(t);
    const database = await createDatabase(t, { migrated: true });
    await insertInstances(database, sender);
    await startConductorHere(t, { database: database.url, transports: { edge: entry } });
    const { clientId: _, ...transport } = entry;
    const file = configuration(stringify({ transports: { edge: transport } }));
    const send = async (args: readonly string[], variables: Readonly<Record<string, string>>) => {
      const ended = await runHere([...args, '--config', file, '--sender', sender], variables);
      t.is(ended.code, 0, ended.errors.join('\n'));
    };
    const cast = ['cast', 'heartbeat', '--args', '{"payload": {"service_status": "running"}}'];
    const newContext = () => {
      const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
      return { traceId, spanId, TRACEPARENT: `00-${traceId}-${spanId}-01` };
    };
    const childOf = (name: string, { spanId }: { readonly spanId: string }) =>
      waitFor(
        () =>
          exporter
            .getFinishedSpans()
            .find((span) => span.name === name && span.parentSpanContext?.spanId === spanId),
        { what: `the span ${name} of ${spanId}` },
      );

    const first = newContext();
    await send(cast, { TRACEPARENT: first.TRACEPARENT, TRACESTATE: 'a=1,b=2' });
    const receive = await childOf('receive', first);
    t.is(receive.spanContext().traceId, first.traceId);
    t.is(receive.spanContext().traceState?.serialize(), 'a=1,b=2');

    const second = newContext();
    await send(['call', 'ping'], { TRACEPARENT: second.TRACEPARENT });
    const executed = await childOf('process', second);
    t.is(executed.attributes['conductor.method'], 'ping');
    t.is(executed.spanContext().traceState, undefined);

    const count = () => exporter.getFinishedSpans().filter(({ name }) => name === 'receive').length;
    const before = count();
    await send(cast, { TRACEPARENT: `${newContext().TRACEPARENT}0`, TRACESTATE: 'a=1' });
    await send(cast, { TRACESTATE: 'a=1' });
    // An answer comes after all casts before it.
    const last = newContext();
    await send(['call', 'ping'], { TRACEPARENT: last.TRACEPARENT });
    await childOf('receive', last);
    t.is(count(), before + 1, 'an invalid context is not sent');
  });
