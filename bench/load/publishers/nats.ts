import { connect } from '@nats-io/transport-node';
import { type Destination, type Publisher, window } from '../publisher.ts';

/** One subject takes the stream's answers to all messages, so that no message has a promise of its own. */
export async function publishNats({ url, name }: Destination): Promise<Publisher> {
  const connection = await connect({ ...credentials(url), reconnect: false });
  let [sent, confirmed, refused] = [0, 0, 0];
  const inbox = `_INBOX.bench.${process.pid}.${Date.now()}`;
  connection.subscribe(inbox, {
    callback: (error, message) => {
      // `{"error": ...}`, or no responders: no stream takes the subject.
      if (error || message.data.length === 0 || message.string().includes('"error"')) refused += 1;
      else confirmed += 1;
    },
  });
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
