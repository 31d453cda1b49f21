import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startConductorProcess } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { heartbeat, peers, sender } from '../tracing/peers.ts';

/** The example of an operator's module, and the way in which docs/tracing.md switches it on. */

const root = fileURLToPath(new URL('../../', import.meta.url));

const [, , nats] = peers;
needs(
  test,
  nats.service,
  'postgres',
)('with examples/tracing.mjs a replica prints the spans of a message', async (t) => {
  t.regex(
    readFileSync(`${root}docs/tracing.md`, 'utf8'),
    /NODE_OPTIONS='--import \.\/tracing\.mjs' conductor start/,
  );
  const peer = await nats.open(t);
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, sender);
  const conductor = await startConductorProcess(t, {
    database: database.url,
    transports: { edge: peer.entry },
    variables: { NODE_OPTIONS: `--import ${root}examples/tracing.mjs`, OTEL_TRACES_SAMPLER_ARG: '1' },
  });
  t.is(conductor.log.lines('tracing is on: an SDK of OpenTelemetry is registered').length, 1);
  const { send } = await peer.open();
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  await send({ body: heartbeat(), properties: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
  for (const name of ['receive', 'transaction', 'process', 'settle'])
    await waitFor(() => conductor.stdout().includes(`name: '${name}'`), {
      what: `the span ${name}`,
      process: conductor,
    });
  t.true(conductor.stdout().includes(traceId));
  conductor.signal('SIGTERM');
  t.is((await conductor.exited).code, 0, conductor.output());
});
