import mqtt from 'mqtt';
import { Confirmations, type Destination, type Publisher } from '../publisher.ts';

export async function publishMqtt({ url, name, isOld }: Destination): Promise<Publisher> {
  const client = await mqtt.connectAsync(url, { protocolVersion: isOld ? 4 : 5, reconnectPeriod: 0 });
  client.on('error', (error) => {
    throw error;
  });
  const confirmations = new Confirmations();
  return {
    get hasRoom() {
      return confirmations.hasRoom;
    },
    get confirmed() {
      return confirmations.confirmed;
    },
    get refused() {
      return confirmations.refused;
    },
    send(body, sender) {
      confirmations.send();
      client.publish(`${name}/${sender}`, body, { qos: 1 }, confirmations.answered);
    },
    close: () => client.endAsync(),
  };
}
