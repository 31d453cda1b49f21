import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { connect as connectAmqp } from 'amqplib';
import test, { type ExecutionContext } from 'ava';
import mqtt from 'mqtt';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase, replicaRole } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const perSecond = 1000;
const steps = 60;
const perStep = perSecond / 10;
const bound = 400;

/** The call ends when the test says so: it lasts as long as the casts take, however fast the machine is. */
const slow = `export default { nap: {
  allowed: 'anyone', mutating: false, parse: () => ({}),
  run: async (db) => {
    const isOver = async () => (await db.query('', 'SELECT FROM alarm', [])).length > 0;
    while (!(await isOver())) await db.query('', 'SELECT pg_sleep(0.1)', []);
    return 'rested';
  },
} };`;

const call = JSON.stringify({ method: 'nap', args: {} });

interface Side {
  readonly entry: Record<string, unknown>;
  /** Resolves once the broker has the call. */
  call(): Promise<unknown>;
  /** Resolves once the broker has all of them. */
  cast(bodies: ReadonlyArray<string>): Promise<unknown>;
  readonly answers: ReadonlyArray<string>;
}

async function openNats(t: ExecutionContext): Promise<Side> {
  const name = `slow-${randomUUID()}`;
  const { url } = service('nats');
  const broker = await connect({ servers: url, reconnect: false });
  const stream = jetstream(broker);
  t.teardown(async () => {
    await (await stream.jetstreamManager()).streams.delete(name);
    await broker.close();
  });
  const answers: string[] = [];
  const inbox = `_INBOX.${name}`;
  broker.subscribe(inbox, { callback: (_, message) => void answers.push(message.string()) });
  return {
    // The call outlasts several times what the server waits for a word.
    entry: { kind: 'nats', url, stream: name, subject: `${name}.*`, ackWait: 1500 },
    call: () =>
      stream.publish(
        `${name}.caller`,
        JSON.stringify({ ...JSON.parse(call), reply_to: inbox, correlation_id: '1' }),
      ),
    cast: (bodies) => Promise.all(bodies.map((body) => stream.publish(`${name}.guest`, body))),
    answers,
  };
}

/** The call over AMQP 0-9-1, whichever protocol the conductor reads the queue by. */
async function openRabbitmq(t: ExecutionContext, kind: 'amqp091' | 'amqp10'): Promise<Side> {
  const vhost = `slow-${randomUUID()}`;
  const url = await service('rabbitmq').createVhost(vhost);
  t.teardown(() => service('rabbitmq').deleteVhost(vhost));
  const connection = await connectAmqp(url);
  t.teardown(() => connection.close());
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange('conductor', 'topic', { durable: true });
  await channel.assertQueue('conductor', { durable: true });
  await channel.bindQueue('conductor', 'conductor', 'conductor.*');
  const { queue } = await channel.assertQueue('answers', { durable: true });
  const answers: string[] = [];
  await channel.consume(queue, (message) => void answers.push(String(message?.content)), { noAck: true });
  return {
    entry: { kind, url },
    call: async () => {
      // RabbitMQ makes an address of it for AMQP 1.0.
      const properties = { replyTo: queue, correlationId: '1' };
      channel.publish('conductor', 'conductor.caller', Buffer.from(call), properties);
      await channel.waitForConfirms();
    },
    cast: async (bodies) => {
      for (const body of bodies) channel.publish('conductor', 'conductor.guest', Buffer.from(body));
      await channel.waitForConfirms();
    },
    answers,
  };
}

async function openMosquitto(t: ExecutionContext): Promise<Side> {
  const name = `slow-${randomUUID()}`;
  const { url } = service('mosquitto');
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
  t.teardown(() => client.endAsync());
  const answers: string[] = [];
  client.on('message', (_, payload) => void answers.push(String(payload)));
  const responseTopic = `answers/${name}`;
  await client.subscribeAsync(responseTopic, { qos: 1 });
  const properties = { responseTopic, correlationData: Buffer.from('1') };
  return {
    entry: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name, keepSession: false },
    call: () => client.publishAsync(`${name}/caller`, call, { qos: 1, properties }),
    cast: (bodies) =>
      Promise.all(bodies.map((body) => client.publishAsync(`${name}/guest`, body, { qos: 1 }))),
    answers,
  };
}

for (const { label, name, open } of [
  { label: 'NATS', name: 'nats', open: openNats },
  { label: 'AMQP 0-9-1', name: 'rabbitmq', open: (t: ExecutionContext) => openRabbitmq(t, 'amqp091') },
  { label: 'AMQP 1.0', name: 'rabbitmq', open: (t: ExecutionContext) => openRabbitmq(t, 'amqp10') },
  { label: 'MQTT 5', name: 'mosquitto', open: openMosquitto },
] as const) {
  needs(
    test,
    name,
    'postgres',
  )(`${label}: a call of ${steps / 10} s or more delays no cast, and is run once`, async (t) => {
    const side = await open(t);
    const database = await createDatabase(t, { migrated: true });
    await database.query(`CREATE TABLE alarm (id integer); GRANT ALL ON alarm TO ${replicaRole}`);
    const manager = join(temporaryDirectory('slow'), 'slow.ts');
    writeFileSync(manager, slow);
    const conductor = await startConductorHere(t, {
      database: database.url,
      transports: { guests: side.entry },
      settings: { manager, maxInFlight: bound, guests: { autoRegister: true }, calls: { timeout: 60_000 } },
    });
    const account = conductor.counters.get('guests');
    // A batch may overtake another one, whose heartbeats are stale then.
    const done = () => {
      const { applied = 0, stale = 0, duplicate = 0 } = account?.outcomes ?? {};
      return applied + stale + duplicate;
    };
    await side.call();
    let step = 0;
    let mostBehind = 0;
    for await (const _ of setInterval(1000 / (perSecond / perStep))) {
      const sent = Date.now() / 1000;
      const args = (n: number) => ({ instance_id: `i-${n}`, sent, payload: { service_status: 'running' } });
      mostBehind = Math.max(mostBehind, step * perStep - done());
      await side.cast(
        Array.from({ length: perStep }, (_, n) => JSON.stringify({ method: 'heartbeat', args: args(n) })),
      );
      step += 1;
      if (step === steps) break;
    }
    await waitFor(() => done() === steps * perStep, { what: 'the casts to be applied' });
    t.deepEqual(side.answers, [], 'the call still runs');
    await database.query('INSERT INTO alarm VALUES (1)');
    await waitFor(() => side.answers.length > 0, { what: 'the answer', timeout: 20_000 });
    t.like(JSON.parse(side.answers[0] ?? ''), { result: 'rested' });
    t.is(account?.redelivered, 0);
    t.true(mostBehind < 2 * perSecond, `${mostBehind} casts were waiting at once`);
    t.log({ mostBehind });
  });
}
