import { connect } from 'amqplib';
import mqtt from 'mqtt';
import { drainAmqp10 } from './bare-amqp10.ts';
import { drainNats } from './bare-nats.ts';
import { readTask, report, Stopwatch } from './child.ts';

/**
 * Drains the queue with the conductor's client library and nothing else: messages are acknowledged and dropped. As fast as the
 * library goes: the same prefetch, one acknowledgement for all that one read from the socket brought.
 */
const task = readTask();
const { config, messages, prefetch } = task;
const stopwatch = new Stopwatch(messages);
if (config.kind === 'amqp091') await drainAmqp091();
else if (config.kind === 'amqp10') await drainAmqp10(task, stopwatch);
else if (config.kind === 'nats') await drainNats(task, stopwatch);
else await drainMqtt();

async function drainAmqp091(): Promise<void> {
  const connection = await connect(String(config.url), { noDelay: true });
  const channel = await connection.createChannel();
  await channel.prefetch(prefetch);
  let received = 0;
  let scheduled = false;
  await channel.consume('trove-conductor', (message) => {
    if (message === null) return;
    received += 1;
    if (received === 1) stopwatch.tick(1, 0);
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      channel.ackAll();
      stopwatch.tick(received, received);
    });
  });
  await report(stopwatch.finished, async () => {
    await channel.close();
    await connection.close();
  });
}

/** The library sends its own PUBACKs. */
async function drainMqtt(): Promise<void> {
  let received = 0;
  const client = mqtt.connect(String(config.url), {
    clientId: String(config.clientId),
    clean: false,
    protocolVersion: 5,
    properties: { receiveMaximum: prefetch, sessionExpiryInterval: 86_400 },
    reconnectPeriod: 0,
  });
  client.on('error', (error) => {
    throw error;
  });
  client.handleMessage = (_, callback) => {
    received += 1;
    callback();
    stopwatch.tick(received, received);
  };
  // Ends without giving up the session: the conductor drains it next.
  await report(stopwatch.finished, () => client.endAsync());
}
