import { connect as connectAmqp } from 'amqplib';
import test from 'ava';
import { connectClient, openAmqp } from '../client/brokers.ts';
import { startRabbitmq } from '../support/rabbitmq.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { stopsWithoutATrace } from '../support-tests/stopping.ts';

/** Each takes two starts of a RabbitMQ, which are 12 CPU s. */

const rabbitTest = needs(test.serial, 'rabbitmq');

rabbitTest(
  'a cast that has resolved is still there after the broker was killed and started again',
  async (t) => {
    const rabbitmq = await startRabbitmq();
    t.teardown(rabbitmq.kill);
    const broker = await openAmqp(t, rabbitmq, 'native');
    const client = await connectClient(t, broker.entry());
    await Promise.all(Array.from({ length: 200 }, (_, n) => client.cast('count', { n })));
    await rabbitmq.kill();
    const waiting = client.cast('count', { n: 200 });
    await rabbitmq.restart();
    t.is(await waiting, 'sent');
    const connection = await connectAmqp(String(broker.entry().url));
    const channel = await connection.createChannel();
    const { messageCount } = await channel.checkQueue('conductor');
    t.is(messageCount, 201);
    await connection.close();
  },
);

rabbitTest(
  'a private RabbitMQ keeps durable messages when it is killed, and leaves no files when it is stopped',
  async (t) => {
    const rabbitmq = await startRabbitmq();
    t.teardown(rabbitmq.kill);
    const url = await rabbitmq.createVhost('own');
    const connection = await connectAmqp(url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('work', { durable: true });
    channel.sendToQueue('work', Buffer.from('hello'), { persistent: true });
    await channel.waitForConfirms();
    connection.on('error', () => {});
    // RabbitMQ confirms the message, but writes the queue's declaration to its log some milliseconds later, and loses both if it is killed before.
    await rabbitmq.control('eval', 'mnesia:sync_log().');

    await rabbitmq.kill();
    await rabbitmq.restart();
    // Not the management's figures: of a queue in which nothing happens, they may be taken before the management is there.
    const again = await connectAmqp(url);
    again.on('error', () => {});
    const content = await waitFor(
      async () => {
        // A queue that is not there yet closes the channel.
        const reading = await again.createChannel();
        reading.on('error', () => {});
        const message = await reading.get('work');
        return message === false ? undefined : message.content;
      },
      { what: 'the message that was confirmed before the broker was killed' },
    );
    t.deepEqual(content, Buffer.from('hello'));
    await again.close();
    await stopsWithoutATrace(t, rabbitmq, rabbitmq.port);
  },
);
