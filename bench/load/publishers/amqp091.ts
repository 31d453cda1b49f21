import { connect } from 'amqplib';
import { type Destination, type Publisher, window } from '../publisher.ts';

export async function publishAmqp091({ url, name, isPlain }: Destination): Promise<Publisher> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  let [sent, confirmed, refused] = [0, 0, 0];
  // `user-id` is what the broker compares with the user of the connection. Without a user it is the broker's default.
  const userId = decodeURIComponent(new URL(url).username) || 'guest';
  const properties = { persistent: true, contentType: 'application/json', userId };
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
      channel.publish(name, isPlain ? name : `${name}.${sender}`, body, properties, count);
    },
    close: () => connection.close(),
  };
}
