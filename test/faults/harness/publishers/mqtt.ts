import mqtt from 'mqtt';
import type { Publisher } from '../world.ts';

/** Publishes with QoS 1 to a topic whose last level is the sender. */
export async function openMqtt(url: string, topic: string): Promise<Publisher> {
  const client = await mqtt.connectAsync(
    url,
    { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 5000 },
    false,
  );
  const ended = new Promise<string>((resolve) => {
    client.on('error', (error) => resolve(error.message));
    client.on('close', () => resolve('closed'));
  });
  return {
    send: ({ sender, body }, confirmed) => {
      client.publish(topic.replace('+', sender), Buffer.from(body), { qos: 1 }, (error) => {
        if (!error) confirmed();
      });
    },
    ended,
    close: () => client.endAsync(true),
  };
}
