import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import test from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

/** Seconds that the call takes; the casts come for six of them. */
const takes = 9;
const perSecond = 1000;
const steps = 60;
const perStep = perSecond / 10;
const bound = 400;

const slow = `export default { nap: {
  allowed: 'anyone', mutating: false, parse: () => ({}),
  run: async (db) => { await db.query('', 'SELECT pg_sleep(${takes})', []); return 'rested'; },
} };`;

needs(
  test,
  'nats',
  'postgres',
)('NATS: a slow call delays no cast, and comes once however long it takes', async (t) => {
  const name = `slow-${randomUUID()}`;
  const { url } = service('nats');
  const broker = await connect({ servers: url, reconnect: false });
  const stream = jetstream(broker);
  t.teardown(async () => {
    await (await stream.jetstreamManager()).streams.delete(name);
    await broker.close();
  });
  const database = await createDatabase(t, { migrated: true });
  const manager = join(temporaryDirectory('slow'), 'slow.ts');
  writeFileSync(manager, slow);
  const conductor = await startConductorHere(t, {
    database: database.url,
    // The call outlasts several times what the server waits for a word.
    transports: { guests: { kind: 'nats', url, stream: name, subject: `${name}.*`, ackWait: 1500 } },
    settings: { manager, maxInFlight: bound, guests: { autoRegister: true }, calls: { timeout: 30_000 } },
  });
  const account = conductor.accounts.get('guests');
  const answers: string[] = [];
  const inbox = `_INBOX.${name}`;
  broker.subscribe(inbox, { callback: (_, message) => void answers.push(message.string()) });
  const call = { method: 'nap', args: {}, reply_to: inbox, correlation_id: 'c-1' };
  await stream.publish(`${name}.caller`, JSON.stringify(call));
  let step = 0;
  let mostBehind = 0;
  for await (const _ of setInterval(1000 / (perSecond / perStep))) {
    const sent = Date.now() / 1000;
    const args = (n: number) => ({ instance_id: `i-${n}`, sent, payload: { service_status: 'running' } });
    const casts = Array.from({ length: perStep }, (_, n) =>
      JSON.stringify({ method: 'heartbeat', args: args(n) }),
    );
    mostBehind = Math.max(mostBehind, step * perStep - (account?.outcomes.applied ?? 0));
    await Promise.all(casts.map((body) => stream.publish(`${name}.guest`, body)));
    step += 1;
    if (step === steps) break;
  }
  await waitFor(() => account?.outcomes.applied === steps * perStep, {
    what: 'the casts to be applied',
  });
  t.deepEqual(answers, [], 'the call still runs');
  await waitFor(() => answers.length > 0, { what: 'the answer', timeout: 20_000 });
  t.like(JSON.parse(answers[0] ?? ''), { result: 'rested' });
  t.is(account?.redelivered, 0);
  t.true(mostBehind < 2 * perSecond, `${mostBehind} casts were waiting at once`);
  t.log({ mostBehind });
});
