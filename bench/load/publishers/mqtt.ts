import mqtt from 'mqtt';
import { Confirmations, type Destination, type Publisher } from '../publisher.ts';

export async function publishMqtt({ url, name, isOld }: Destination): Promise<Publisher> {
  const client = await mqtt.connectAsync(url, { protocolVersion: isOld ? 4 : 5, reconnectPeriod: 0 });
  client.on('error', (error) => {
    throw error;
  });
  const confirmations = new Confirmations();
  return {
    confirmations,
    get hasRoom() {
      return confirmations.hasRoom;
    },
    send(body, sender) {
      confirmations.send();
      client.publish(`${name}/${sender}`, body, { qos: 1 }, confirmations.answered);
    },
    close: () => client.endAsync(),
  };
}
