import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectAmqp } from 'amqplib';
import ava, { type ExecutionContext } from 'ava';
import mqtt from 'mqtt';
import { ConfigError, type ConnectOptions, connect, Undeliverable } from '../../src/public/client.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { startProcess } from '../support/processes.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { connectClient, openAmqp } from './brokers.ts';

const rabbitTest = needs(ava, 'rabbitmq');
const mosquittoTest = needs(ava, 'mosquitto');

/** A virtual host with a conductor's exchange and queue, and a user beside its owner who may do so much in it. */
async function openFor(
  t: ExecutionContext,
  permissions: { configure: string; write: string; read: string },
  codec: 'native' | 'oslo' = 'native',
) {
  const rabbitmq = service('rabbitmq');
  const broker = await openAmqp(t, rabbitmq, codec);
  const url = new URL(String(broker.entry().url));
  const user = `guest-${randomUUID()}`;
  await rabbitmq.request('PUT', `/users/${user}`, { password: 'secret', tags: '' });
  t.teardown(() => rabbitmq.request('DELETE', `/users/${user}`));
  await rabbitmq.request('PUT', `/permissions${url.pathname}/${user}`, permissions);
  const entry: ConnectOptions['transport'] = { ...broker.entry(), user, password: 'secret' };
  return { broker, user, entry, vhost: url.pathname };
}

rabbitTest('a guest that may only write to the exchange can cast and call', async (t) => {
  const { broker, entry } = await openFor(t, { configure: '^$', write: '^conductor$', read: '^$' });
  const heard = await broker.listen();
  const client = await connectClient(t, entry);
  t.is(await client.cast('count', { n: 1 }), 'sent');
  const call = client.call('count', { n: 2 });
  const [, second] = await waitFor(() => heard.length === 2 && heard, { what: 'the call' });
  if (second !== undefined) await broker.reply(second, { result: 'yes' });
  t.is(await call, 'yes');
});

rabbitTest(
  "in oslo's form a guest that may not create a queue can cast, and its calls are refused",
  async (t) => {
    const { entry } = await openFor(t, { configure: '^$', write: '^trove$', read: '^$' }, 'oslo');
    const client = await connectClient(t, entry);
    t.is(await client.cast('count', { n: 1 }), 'sent');
    await t.throwsAsync(client.call('count', {}), { instanceOf: Undeliverable });
  },
);

rabbitTest('a cast that the sender may not send is refused, and the client continues', async (t) => {
  const { entry, user, vhost } = await openFor(t, { configure: '', write: '^conductor$', read: '' });
  await service('rabbitmq').request('PUT', `/topic-permissions${vhost}/${user}`, {
    exchange: 'conductor',
    write: '^conductor.i1$',
    read: '',
  });
  const client = await connectClient(t, entry, { sender: 'i1' });
  const [own, foreign] = [client.cast('count', { n: 1 }), client.cast('count', {}, { sender: 'i2' })];
  const error = await t.throwsAsync(foreign, { instanceOf: Undeliverable });
  t.regex(error.message, /ACCESS_REFUSED.*conductor\.i2/);
  t.is(await own, 'sent');
  t.is(await client.cast('count', { n: 2 }), 'sent');
});

rabbitTest('with auth.mode user-id the broker proves the sender', async (t) => {
  const { broker, entry, user } = await openFor(t, { configure: '', write: '.*', read: '' });
  const connection = await connectAmqp(String(broker.entry().url));
  t.teardown(() => connection.close());
  const channel = await connection.createChannel();
  const client = await connectClient(t, { ...entry, auth: { mode: 'user-id' } });
  await client.cast('count', { n: 1 });
  const message = await waitFor(() => channel.get('conductor', { noAck: true }), { what: 'the message' });
  t.is(message.properties.userId, user);
});

rabbitTest('a client that starts before the first conductor waits until the exchange exists', async (t) => {
  const rabbitmq = service('rabbitmq');
  const vhost = `client-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  const client = await connectClient(t, { kind: 'amqp091', url });
  t.regex(client.lastError ?? '', /^cannot publish to exchange conductor: .*NOT.FOUND/);
  const cast = client.cast('count', { n: 1 });
  const connection = await connectAmqp(url);
  t.teardown(() => connection.close());
  const channel = await connection.createChannel();
  await channel.assertExchange('conductor', 'topic');
  await channel.assertQueue('conductor');
  await channel.bindQueue('conductor', 'conductor', 'conductor.*');
  // It may have come between the exchange and the binding.
  const result = await cast.catch((error: unknown) => error);
  t.true(result === 'sent' || result instanceof Undeliverable);
  t.is(await client.cast('count', { n: 2 }), 'sent');
});

for (const [what, entry, message] of [
  ['no kind', {}, /^transport\.kind: is required: one of amqp091, amqp10, mqtt, nats/],
  ['an unknown kind', { kind: 'smoke' }, /^transport\.kind: must be one of amqp091, amqp10, mqtt, nats/],
  ['no URL', { kind: 'mqtt' }, /^transport\.url: is required/],
  ['a misspelt key', { kind: 'mqtt', url: 'mqtt://x', tpoic: 't' }, /^transport\.tpoic: unknown key/],
  [
    'a topic without an address',
    { kind: 'mqtt', url: 'mqtt://x', topic: '+/a/+' },
    /^topic: \+\/a\/\+ has a wildcard/,
  ],
  [
    'a routing key without an address',
    { kind: 'amqp091', url: 'amqp://x', routingKey: '*.conductor.*' },
    /^routingKey: \*\.conductor\.\* has a wildcard/,
  ],
] as const) {
  ava(`${what} is refused, and the error names it`, async (t) => {
    // As JavaScript lets it through.
    const options: ConnectOptions = JSON.parse(JSON.stringify({ transport: entry, sender: 'i1' }));
    await t.throwsAsync(connect(options), { instanceOf: ConfigError, message });
  });
}

rabbitTest('RabbitMQ refuses a wrong password at once', async (t) => {
  const { entry } = await openFor(t, { configure: '', write: '', read: '' });
  const transport = { ...entry, password: 'wrong' };
  const error = await t.throwsAsync(connect({ transport, sender: 'i1' }), { instanceOf: ConfigError });
  t.regex(error.message, /ACCESS.REFUSED/);
  t.false(error.message.includes('wrong'));
});

/** A broker whose rules bind a guest to its own topic; the conductor may do everything. */
async function strictMosquitto(t: ExecutionContext): Promise<string> {
  const directory = temporaryDirectory('client');
  const [passwords, rules] = [join(directory, 'passwords'), join(directory, 'rules')];
  for (const user of ['conductor', 'i1']) {
    const flags = user === 'conductor' ? ['-c', '-b'] : ['-b'];
    await startProcess('mosquitto_passwd', [...flags, passwords, user, 'secret']).exited;
  }
  const lines = [
    'user conductor',
    'topic readwrite #',
    'user i1',
    'pattern read conductor-replies/%c',
    'pattern write conductor/%u',
  ];
  writeFileSync(rules, `${lines.join('\n')}\n`);
  const settings = ['allow_anonymous false', `password_file ${passwords}`, `acl_file ${rules}`];
  const mosquitto = await startMosquitto({ settings });
  t.teardown(mosquitto.stop);
  return mosquitto.url;
}

mosquittoTest("an MQTT broker's rules apply: it refuses a foreign sender and a wrong password", async (t) => {
  const url = await strictMosquitto(t);
  const conductor = await mqtt.connectAsync(url, {
    protocolVersion: 5,
    username: 'conductor',
    password: 'secret',
  });
  t.teardown(() => conductor.endAsync());
  conductor.on('message', (_topic, _body, { properties }) => {
    const { responseTopic, correlationData } = properties ?? {};
    if (responseTopic !== undefined && correlationData !== undefined)
      conductor.publish(responseTopic, '{"result": "yes"}', { qos: 1, properties: { correlationData } });
  });
  await conductor.subscribeAsync('conductor/+', { qos: 1 });

  const transport = { kind: 'mqtt', url, user: 'i1', password: 'secret' };
  const client = await connectClient(t, transport, { sender: 'i1' });
  t.is(await client.cast('count', { n: 1 }), 'sent');
  t.is(await client.call('count', {}), 'yes');
  // Mosquitto 2.0.11 ends the connection as well where max_queued_messages is 0.
  const foreign = client.cast('count', {}, { sender: 'i2' });
  await t.throwsAsync(foreign, { instanceOf: Undeliverable, message: /Not authorized/ });
  t.is(await client.cast('count', { n: 1 }), 'sent');

  const wrong = connect({ transport: { ...transport, password: 'wrong' }, sender: 'i1' });
  await t.throwsAsync(wrong, {
    instanceOf: ConfigError,
    message: /refuses the connection: .*Not authorized/,
  });
});

mosquittoTest('the client has at most as many publishes under way as the broker allows', async (t) => {
  // Mosquitto's own default, which it tells its clients too; one more, and it disconnects.
  const mosquitto = await startMosquitto({ maxInflightMessages: 20 });
  t.teardown(mosquitto.stop);
  const listener = await mqtt.connectAsync(mosquitto.url, { protocolVersion: 5 });
  t.teardown(() => listener.endAsync());
  await listener.subscribeAsync('conductor/+', { qos: 1 });
  const client = await connectClient(t, { kind: 'mqtt', url: mosquitto.url });
  const casts = Array.from({ length: 500 }, (_, n) => client.cast('count', { n }));
  t.deepEqual(await Promise.all(casts), Array(500).fill('sent'));
  t.is(client.lastError, undefined);
});
