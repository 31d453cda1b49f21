import rhea, { type EventContext } from 'rhea';
import { Confirmations, type Destination, type Publisher } from '../publisher.ts';

/** The library keeps 2,048 unsettled messages at most. */
const window = 1500;

export async function publishAmqp10({ url, name }: Destination): Promise<Publisher> {
  const { hostname, port, username, password } = new URL(url);
  const user = decodeURIComponent(username) || 'guest';
  const connection = rhea.create_container().connect({
    host: hostname,
    port: Number(port) || 5672,
    username: user,
    password: decodeURIComponent(password) || 'guest',
    reconnect: false,
  });
  const sender = connection.open_sender({ target: { address: name } });
  const confirmations = new Confirmations(window);
  await new Promise<void>((resolve, reject) => {
    sender.once('sendable', () => resolve());
    sender.once('sender_error', ({ sender: link }: EventContext) => reject(link?.error));
    connection.once('disconnected', ({ error }: EventContext) => reject(error));
  });
  sender.on('accepted', () => confirmations.answered(undefined));
  for (const refusal of ['rejected', 'released']) sender.on(refusal, () => confirmations.answered(refusal));
  return {
    confirmations,
    get hasRoom() {
      return sender.sendable() && confirmations.hasRoom;
    },
    send(body) {
      confirmations.send();
      sender.send({
        durable: true,
        user_id: user,
        content_type: 'application/json',
        body: rhea.message.data_section(body),
      });
    },
    close: () =>
      new Promise((resolve) => {
        connection.once('connection_close', () => resolve());
        connection.close();
      }),
  };
}
