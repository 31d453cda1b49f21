import { connect } from '@nats-io/transport-node';
import { Confirmations, type Destination, type Publisher } from '../publisher.ts';

/** One subject takes the stream's answers to all messages, so that no message has a promise of its own. */
export async function publishNats({ url, name }: Destination): Promise<Publisher> {
  const connection = await connect({ ...credentials(url), reconnect: false });
  const confirmations = new Confirmations();
  const inbox = `_INBOX.bench.${process.pid}.${Date.now()}`;
  connection.subscribe(inbox, {
    callback: (error, message) => {
      // `{"error": ...}`, or no responders: no stream takes the subject.
      confirmations.answered(error || message.data.length === 0 || message.string().includes('"error"'));
    },
  });
  return {
    confirmations,
    get hasRoom() {
      return confirmations.hasRoom;
    },
    send(body, sender) {
      confirmations.send();
      connection.publish(`${name}.${sender}`, body, { reply: inbox });
    },
    close: () => connection.close(),
  };
}

/** The client library does not read the credentials of a URL. */
export function credentials(url: string): { servers: string; user?: string; pass?: string } {
  const { protocol, host, username, password } = new URL(url);
  const servers = `${protocol}//${host}`;
  if (username === '') return { servers };
  return { servers, user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}
