import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import test, { type ExecutionContext } from 'ava';
import mqtt from 'mqtt';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { type Owner, shared } from '../support/shared.ts';
import { waitFor } from '../support/wait.ts';

/** Calls over real brokers, told as a caller without any library of ours sees them. */

/** A virtual host with a conductor that speaks the given wire form. */
async function startReplica(t: Owner, codec: 'native' | 'oslo') {
  const broker = service('rabbitmq');
  const vhost = `calls-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  t.teardown(() => broker.deleteVhost(vhost));
  const { url: database } = await createDatabase(t, { migrated: true });
  const transports = { rabbit: { kind: 'amqp091', url, codec } };
  return { url, conductor: await startConductorHere(t, { database, transports }) };
}

/** For tests that look at answers only. */
const native = shared(test, (owner) => startReplica(owner, 'native'));

/** A way to call a replica. */
async function overRabbitmq(t: ExecutionContext, { url, conductor }: Awaited<ReturnType<typeof native>>) {
  const connection = await connect(url);
  t.teardown(() => connection.close());
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const replies: { body: unknown; correlationId: unknown }[] = [];
  await channel.consume(queue, (message) => {
    if (message === null) return;
    replies.push({
      body: JSON.parse(message.content.toString()),
      correlationId: message.properties.correlationId,
    });
    channel.ack(message);
  });
  return {
    conductor,
    channel,
    queue,
    reply: (nth = 1) => waitFor(() => replies[nth - 1], { what: `reply ${nth}` }),
  };
}

const rabbitTest = needs(test, 'rabbitmq', 'postgres');

rabbitTest('a native call over AMQP 0-9-1 is answered with its correlation id', async (t) => {
  const { conductor, channel, queue, reply } = await overRabbitmq(t, await startReplica(t, 'native'));
  const body = Buffer.from(JSON.stringify({ method: 'ping', args: {} }));
  channel.publish('conductor', 'conductor.caller', body, { replyTo: queue, correlationId: 'c-1' });
  const { body: answer, correlationId } = await reply();
  t.like(answer, { result: { pong: true } });
  t.is(correlationId, 'c-1');
  const account = conductor.counters.get('rabbit');
  await waitFor(() => account?.outcomes.answered === 1, { what: 'the call to be settled' });
  t.is(account?.unexplained, 0);
});

for (const [what, message, expected] of [
  [
    'a method that is not there',
    { method: 'pong', args: {} },
    { class: 'NoSuchMethod', message: '"pong" is not a method of this conductor' },
  ],
  [
    'a newer version',
    { method: 'ping', args: {}, version: '1.99' },
    { class: 'UnsupportedVersion', message: 'version "1.99" is asked for; this conductor speaks 1.0 to 1.0' },
  ],
  [
    'a bad argument',
    { method: 'heartbeat', args: { instance_id: 7 } },
    { class: 'BadRequest', message: 'args.instance_id is a number, not a string', argument: 'instance_id' },
  ],
] as const) {
  rabbitTest(`a call with ${what} is refused, and its caller is told the reason`, async (t) => {
    const { channel, queue, reply } = await overRabbitmq(t, await native());
    channel.publish('conductor', 'conductor.x', Buffer.from(JSON.stringify(message)), { replyTo: queue });
    t.deepEqual((await reply()).body, { error: expected });
  });
}

rabbitTest('a call that cannot be read is refused if its reply address can be read', async (t) => {
  const { channel, queue, reply } = await overRabbitmq(t, await native());
  channel.publish('conductor', 'conductor.x', Buffer.from('ping!'), { replyTo: queue });
  t.like((await reply()).body, { error: { class: 'BadRequest' } });
});

rabbitTest('a cast of a call method becomes a dead letter', async (t) => {
  const { conductor, channel } = await overRabbitmq(t, await startReplica(t, 'native'));
  channel.publish('conductor', 'conductor.x', Buffer.from(JSON.stringify({ method: 'ping', args: {} })));
  const account = conductor.counters.get('rabbit');
  await waitFor(() => account?.deadBy.not_a_cast === 1, { what: 'the dead letter' });
  t.is(account?.unexplained, 0);
});

rabbitTest("a call in oslo's form is answered in oslo's form, on its reply queue", async (t) => {
  const { channel, queue, reply } = await overRabbitmq(t, await startReplica(t, 'oslo'));
  const message = {
    method: 'ping',
    args: {},
    version: '1.0',
    _msg_id: 'm-1',
    _reply_q: queue,
    _timeout: null,
    _unique_id: 'u-1',
  };
  const body = JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
  channel.publish('trove', 'trove-conductor', Buffer.from(body));
  const { body: envelope } = await reply();
  const { 'oslo.version': version, 'oslo.message': inner }: Record<string, string> = Object(envelope);
  t.is(version, '2.0');
  t.like(JSON.parse(inner ?? ''), { result: { pong: true }, failure: null, ending: true, _msg_id: 'm-1' });
});

rabbitTest('a heartbeat may be a call: its answer is the outcome', async (t) => {
  const { channel, queue, reply } = await overRabbitmq(t, await native());
  const args = { instance_id: 'i-1', sent: 1, payload: { service_status: 'running' } };
  channel.publish('conductor', 'conductor.i-1', Buffer.from(JSON.stringify({ method: 'heartbeat', args })), {
    replyTo: queue,
  });
  t.deepEqual((await reply()).body, { result: { outcome: 'deferred' } });
});

needs(
  test,
  'mosquitto',
  'postgres',
)('a native call over MQTT 5 is answered with its correlation data', async (t) => {
  const { url } = service('mosquitto');
  const name = `calls-${randomUUID()}`;
  const { url: database } = await createDatabase(t, { migrated: true });
  await startConductorHere(t, {
    database,
    transports: { edge: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name } },
  });
  const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
  t.teardown(() => client.endAsync());
  await client.subscribeAsync(`replies/${name}`, { qos: 1 });
  const received: { text: string; correlation: Buffer | undefined }[] = [];
  client.on('message', (_, payload, { properties }) => {
    received.push({ text: payload.toString(), correlation: properties?.correlationData });
  });
  const correlationData = Buffer.from([0, 255, 128]);
  await client.publishAsync(`${name}/caller`, JSON.stringify({ method: 'ping', args: {} }), {
    qos: 1,
    properties: { responseTopic: `replies/${name}`, correlationData },
  });
  const { text, correlation } = await waitFor(() => received[0], { what: 'the answer' });
  t.like(JSON.parse(text), { result: { pong: true } });
  t.deepEqual(correlation, correlationData);
});

needs(
  test,
  'mosquitto',
  'postgres',
)('a call over MQTT 3.1.1 has its reply address in its body', async (t) => {
  const { url } = service('mosquitto');
  const name = `calls-${randomUUID()}`;
  const { url: database } = await createDatabase(t, { migrated: true });
  await startConductorHere(t, {
    database,
    transports: {
      edge: { kind: 'mqtt', version: '3.1.1', url, topic: `${name}/+`, group: name, clientId: name },
    },
  });
  const client = await mqtt.connectAsync(url, { protocolVersion: 4 });
  t.teardown(() => client.endAsync());
  await client.subscribeAsync(`replies/${name}`, { qos: 1 });
  const received: string[] = [];
  client.on('message', (_, payload) => received.push(payload.toString()));
  const body = { method: 'ping', args: {}, reply_to: `replies/${name}`, correlation_id: 'c-1' };
  await client.publishAsync(`${name}/caller`, JSON.stringify(body), { qos: 1 });
  const answer = await waitFor(() => received[0], { what: 'the answer' });
  t.like(JSON.parse(answer), { correlation_id: 'c-1', result: { pong: true } });
});

needs(
  test,
  'mosquitto',
  'postgres',
)(
  'calls over MQTT 3.1.1 whose reply addresses no answer may go to get none, and end no connection',
  async (t) => {
    const { url } = service('mosquitto');
    const name = `calls-${randomUUID()}`;
    const { url: database } = await createDatabase(t, { migrated: true });
    const conductor = await startConductorHere(t, {
      database,
      transports: {
        edge: { kind: 'mqtt', version: '3.1.1', url, topic: `${name}/+`, group: name, clientId: name },
      },
    });
    const client = await mqtt.connectAsync(url, { protocolVersion: 4 });
    t.teardown(() => client.endAsync());
    const addresses = ['replies/#', '+', '$SYS/broker', 'a\u0000b', `${name}/somebody else`];
    const account = conductor.counters.get('edge');
    for (const [index, reply_to] of addresses.entries()) {
      const body = { method: 'ping', args: {}, reply_to };
      await client.publishAsync(`${name}/caller`, JSON.stringify(body), { qos: 1 });
      await waitFor(() => account?.outcomes.answered === index + 1, {
        what: `the call with the reply address ${JSON.stringify(reply_to)} to be settled`,
      });
      t.is(conductor.log.lines('could not publish').length, index + 1, reply_to);
    }
    t.is(conductor.log.lines('not connected').length, 0);
    t.is(account?.unexplained, 0);
  },
);
