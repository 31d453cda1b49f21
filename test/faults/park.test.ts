import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import ava, { type ExecutionContext } from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { startRabbitmq } from '../support/rabbitmq.ts';
import type { Rabbitmq } from '../support/rabbitmq-api.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { openMosquitto, openRabbitmq, openRabbitmqAmqp10, type TestBroker } from './brokers.ts';
import { startOwnPostgres } from './databases.ts';
import { Fleet } from './fleet.ts';
import { openNats } from './nats-broker.ts';

/** Messages of an outage. */
const messages = 500;
/** Milliseconds that a broker waits for a settlement. */
const brokersPatience = 5000;
/** How often a queue delivers a message before it drops it. */
const deliveryLimit = 3;
/** Milliseconds that Postgres is away: longer than the product of both. */
const outage = 1.5 * deliveryLimit * brokersPatience;
const park = { after: 1500 };

/** The queue that gets what the broker drops. */
const dropped = 'dropped';

/** A RabbitMQ that takes back what is unsettled for long, and drops what it has delivered too often. */
async function startImpatient(t: ExecutionContext): Promise<Rabbitmq> {
  const rabbitmq = await startRabbitmq({
    settings: [`consumer_timeout = ${brokersPatience}`],
    // It would look once a minute.
    advanced: ['{channel_tick_interval, 500}'],
  });
  t.teardown(() => rabbitmq.kill());
  const limited = { 'x-queue-type': 'quorum', 'x-delivery-limit': deliveryLimit };
  const kept = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dropped };
  return { ...rabbitmq, queueArguments: { ...limited, ...kept } };
}

/** Stops Postgres for the outage, while messages come. Resolves when all of them are applied. */
async function outlast(t: ExecutionContext, broker: TestBroker, more: Record<string, unknown>) {
  const { postgres, database } = await startOwnPostgres(t);
  const fleet = new Fleet(messages);
  await fleet.register(database);
  await broker.keep();
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: { guests: { ...broker.entry(), ...more } },
    settings: { park },
  });
  await broker.publish(fleet.heartbeats(messages, broker.form));
  await fleet.arrives(database);
  await postgres.stop();
  const over = sleep(outage);
  await broker.publish(fleet.heartbeats(messages / 2, broker.form));
  const state = () => conductor.states().guests?.state;
  await waitFor(() => state() === 'parked', { what: 'the replica to be parked' });
  // A batch may still be in a worker.
  await waitFor(() => conductor.counters.get('guests')?.held === 0, { what: 'the last batch to come back' });
  t.not(conductor.heldBecause, undefined);
  // More come while nobody takes them.
  await broker.publish(fleet.heartbeats(messages / 2, broker.form));
  await over;
  t.is(state(), 'parked');
  await postgres.restart();
  await fleet.arrives(database);
  t.is(conductor.log.lines('messages are given back until the database answers, nothing is lost').length, 1);
  t.is(conductor.log.lines('messages flow again').length, 1);
  t.deepEqual(conductor.log.lines('not connected'), []);
  t.is(state(), 'consuming');
  await conductor.stop();
  await fleet.assertArrived(t, database);
  const { redelivered = Number.NaN, outcomes } = conductor.counters.get('guests') ?? {};
  t.is(outcomes?.dead, 0);
  // Each message is given back once at most.
  t.true(redelivered <= messages / 2, `${redelivered} messages came again`);
  t.true(await broker.isEmptied());
}

/** The url has a virtual host of the test's own. */
async function droppedAt(entry: Record<string, unknown>): Promise<number> {
  const connection = await connect(String(entry.url));
  const channel = await connection.createChannel();
  const { messageCount } = await channel.assertQueue(dropped, { durable: true });
  await connection.close();
  return messageCount;
}

for (const [label, open] of [
  ['AMQP 0-9-1', (t: ExecutionContext, rabbitmq: Rabbitmq) => openRabbitmq(t, rabbitmq, 'oslo')],
  ['AMQP 1.0', openRabbitmqAmqp10],
] as const) {
  needs(
    ava.serial,
    'rabbitmq',
    'postgres',
  )(
    `${label}: the broker drops nothing while Postgres is away for longer than its delivery limit times its patience`,
    async (t) => {
      const broker = await open(t, await startImpatient(t));
      await droppedAt(broker.entry());
      await outlast(t, broker, {});
      t.is(await droppedAt(broker.entry()), 0);
    },
  );
}

needs(
  ava.serial,
  'nats',
  'postgres',
)('NATS: messages are given back once while Postgres is away for many times ack_wait', async (t) => {
  await outlast(t, await openNats(service('nats')), { ackWait: 1000 });
});

for (const version of ['5', '3.1.1'] as const)
  needs(
    ava.serial,
    'mosquitto',
    'postgres',
  )(
    `MQTT ${version}: the session is kept while Postgres is away, even by a replica that ends it when it stops`,
    async (t) => {
      await outlast(t, openMosquitto(service('mosquitto'), { version }), { keepSession: false });
    },
  );
