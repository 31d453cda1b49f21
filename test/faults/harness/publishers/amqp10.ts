import rhea, { type Delivery, type EventContext } from 'rhea';
import type { Publisher } from '../world.ts';

/** Sends durable messages to the queue itself, over AMQP 1.0. */
export async function openAmqp10(url: string): Promise<Publisher> {
  const { hostname, port, username, password, pathname } = new URL(url);
  const connection = rhea.create_container().connect({
    host: hostname,
    port: Number(port),
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    hostname: `vhost:${decodeURIComponent(pathname.slice(1))}`,
    reconnect: false,
  });
  const ended = new Promise<string>((resolve) => {
    for (const event of ['disconnected', 'connection_error', 'session_error', 'sender_error'])
      connection.on(event, () => resolve(event));
    // Without a listener the library throws it.
    connection.on('error', (error: Error) => resolve(error.message));
    connection.on('protocol_error', (error: Error) => resolve(error.message));
  });
  const sender = connection.open_sender({ target: { address: '/amq/queue/trove-conductor' } });
  const confirms = new Map<Delivery, () => void>();
  sender.on('accepted', ({ delivery }: EventContext) => {
    if (delivery === undefined) return;
    confirms.get(delivery)?.();
    confirms.delete(delivery);
  });
  const problem = await Promise.race([
    ended,
    new Promise<undefined>((resolve) => sender.once('sendable', () => resolve(undefined))),
  ]);
  if (problem !== undefined) throw new Error(problem);
  return {
    send: ({ body }, confirmed) => {
      try {
        const content = rhea.message.data_section(Buffer.from(body));
        confirms.set(
          sender.send({ durable: true, content_type: 'application/json', body: content }),
          confirmed,
        );
      } catch {
        // The connection has ended, or the library's buffer is full: the message is sent again over the next connection.
        connection.close();
      }
    },
    ended,
    close: async () => void connection.close(),
  };
}
