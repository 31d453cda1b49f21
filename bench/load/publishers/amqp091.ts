import { connect } from 'amqplib';
import { Confirmations, type Destination, type Publisher } from '../publisher.ts';

export async function publishAmqp091({ url, name, isPlain }: Destination): Promise<Publisher> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const confirmations = new Confirmations();
  // `user-id` is what the broker compares with the user of the connection. Without a user it is the broker's default.
  const userId = decodeURIComponent(new URL(url).username) || 'guest';
  const properties = { persistent: true, contentType: 'application/json', userId };
  return {
    confirmations,
    get hasRoom() {
      return confirmations.hasRoom;
    },
    send(body, sender) {
      confirmations.send();
      channel.publish(name, isPlain ? name : `${name}.${sender}`, body, properties, confirmations.answered);
    },
    close: () => connection.close(),
  };
}
