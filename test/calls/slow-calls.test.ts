import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import test, { type ExecutionContext } from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';
import { openRabbitmq } from './brokers.ts';
import { type Answered, answerOf } from './support.ts';

/** Slow calls, more than there is room for: casts go on, and callers are told. */

const calls = 32;
const casts = 20;
/** Seconds that a call takes: all of them one after the other, as they are run here, take more than a minute. */
const takes = 2;
const slow = `export default { nap: {
  allowed: 'anyone', mutating: false, parse: () => ({}),
  run: async (db) => { await db.query('', 'SELECT pg_sleep(${takes})', []); return 'rested'; },
} };`;

interface Side {
  readonly entry: Record<string, unknown>;
  call(id: string): Promise<unknown>;
  cast(sender: string, body: string): Promise<unknown>;
  answers(): ReadonlyArray<Answered>;
}

async function openNats(t: ExecutionContext): Promise<Side> {
  const name = `slow-${randomUUID()}`;
  const { url } = service('nats');
  const connection = await connect({ servers: url, reconnect: false });
  t.teardown(() => connection.close());
  const stream = jetstream(connection);
  const manager = await stream.jetstreamManager();
  await manager.streams.add({ name, subjects: [`${name}.*`], retention: 'workqueue', storage: 'file' });
  const answers: Answered[] = [];
  const inbox = `_INBOX.${name}`;
  connection.subscribe(inbox, {
    callback: (_, message) =>
      void answers.push(answerOf({ outcome: 'answered', reply: { body: message.data } })),
  });
  await connection.flush();
  return {
    entry: { kind: 'nats', url, stream: name, subject: `${name}.*` },
    // The body says where the answer goes.
    call: (id) =>
      stream.publish(
        `${name}.caller`,
        JSON.stringify({ method: 'nap', args: {}, reply_to: inbox, correlation_id: id }),
      ),
    cast: (sender, body) => stream.publish(`${name}.${sender}`, body),
    answers: () => answers,
  };
}

async function openRabbit(t: ExecutionContext): Promise<Side> {
  const broker = await openRabbitmq(t);
  const client = await broker.open('caller');
  return {
    entry: { ...broker.entry(), auth: { mode: 'none' } },
    call: (id) => client.call('nap', {}, id),
    async cast(_, body) {
      const { method, args } = JSON.parse(body);
      await client.cast(method, args);
    },
    answers: () => [...client.answers.values()].flat(),
  };
}

/** With milliseconds: casts that waited for the calls before them would take over half a minute. */
for (const { label, name, open, patience } of [
  { label: 'NATS', name: 'nats', open: openNats, patience: 3500 },
  // What is behind a call that runs is acknowledged once a second, and the bound of this test is small.
  { label: 'AMQP 0-9-1', name: 'rabbitmq', open: openRabbit, patience: 10_000 },
] as const) {
  needs(
    test.serial,
    name,
    'postgres',
  )(`${label}: casts do not wait for slow calls, and calls without room are answered at once`, async (t) => {
    const side = await open(t);
    const database = await createDatabase(t, { migrated: true });
    const ids = Array.from({ length: casts }, (_, n) => `i-${n}`);
    await insertInstances(database, ...ids);
    const file = join(temporaryDirectory('slow'), 'slow.ts');
    writeFileSync(file, slow);
    const conductor = await startConductorHere(t, {
      database: database.url,
      transports: { guests: side.entry },
      settings: {
        manager: file,
        maxInFlight: 16,
        workers: { threads: 1 },
        calls: { concurrency: 1 },
        shutdown: { deadline: 1000 },
      },
    });
    for (let n = 0; n < calls; n += 1) await side.call(`call-${n}`);
    const begin = performance.now();
    for (const id of ids) {
      const args = { instance_id: id, sent: 1, payload: { service_status: 'running' } };
      await side.cast(id, JSON.stringify({ method: 'heartbeat', args }));
    }
    await waitFor(async () => (await database.query('SELECT FROM service_statuses')).length === casts, {
      what: 'the heartbeats to be applied',
      timeout: 60_000,
    });
    const took = performance.now() - begin;
    t.log(`${casts} heartbeats behind ${calls} calls took ${took.toFixed(0)} ms`);
    t.true(took < patience, `it took ${took} ms`);
    const busy = () => side.answers().filter(({ error }) => error?.class === 'Busy');
    // Four are taken; while they run, one at a time, others find room.
    await waitFor(() => busy().length >= calls - 4 - Math.ceil(took / 1000 / takes), {
      what: 'callers to be told',
    });
    // A refused call is counted after the broker has confirmed its answer.
    const counters = conductor.counters.get('guests');
    await waitFor(() => counters?.outcomes.refused === busy().length, {
      what: 'the refused calls to be counted',
    });
    await waitFor(() => side.answers().some(({ result }) => result === 'rested'), {
      what: 'one that was run to be answered',
    });
    t.is(counters?.unexplained, 0);
    t.is(conductor.heldBecause, undefined);
  });
}
