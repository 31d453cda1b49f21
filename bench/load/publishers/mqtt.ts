import mqtt from 'mqtt';
import { type Destination, type Publisher, window } from '../publisher.ts';

export async function publishMqtt({ url, name, isOld }: Destination): Promise<Publisher> {
  const client = await mqtt.connectAsync(url, { protocolVersion: isOld ? 4 : 5, reconnectPeriod: 0 });
  client.on('error', (error) => {
    throw error;
  });
  let [sent, confirmed, refused] = [0, 0, 0];
  const count = (error: unknown) => {
    if (error) refused += 1;
    else confirmed += 1;
  };
  return {
    get hasRoom() {
      return sent - confirmed - refused < window;
    },
    get confirmed() {
      return confirmed;
    },
    get refused() {
      return refused;
    },
    send(body, sender) {
      sent += 1;
      client.publish(`${name}/${sender}`, body, { qos: 1 }, count);
    },
    close: () => client.endAsync(),
  };
}
