/** A publisher over AMQP 1.0 for tests: the bare client library, and nothing of ours. */
import rhea, { type Delivery, type EventContext, type Message } from 'rhea';

export interface Publisher {
  /** Resolves once the broker has accepted the message. As the library takes it, or encoded already. */
  send(message: Message | Buffer): Promise<void>;
  close(): Promise<void>;
}

export interface PublisherOptions {
  readonly port: number;
  /** Of RabbitMQ. */
  readonly vhost: string;
  /** Whose password is the same. */
  readonly user: string;
  readonly address: string;
}

/** A body of bytes. */
export function dataSection(body: Uint8Array): unknown {
  return rhea.message.data_section(Buffer.from(body));
}

export async function openPublisher({ port, vhost, user, address }: PublisherOptions): Promise<Publisher> {
  const connection = rhea.create_container().connect({
    host: '127.0.0.1',
    port,
    username: user,
    password: user,
    hostname: `vhost:${vhost}`,
    reconnect: false,
  });
  const sender = connection.open_sender({ target: { address } });
  const waiting = new Map<Delivery, { resolve(): void; reject(error: Error): void }>();
  const settles = (outcome: string, settle: (delivery: Delivery) => void) =>
    sender.on(outcome, ({ delivery }: EventContext) => {
      if (delivery !== undefined) settle(delivery);
    });
  settles('accepted', (delivery) => waiting.get(delivery)?.resolve());
  for (const outcome of ['released', 'rejected'])
    settles(outcome, (delivery) => waiting.get(delivery)?.reject(new Error(outcome)));
  settles('settled', (delivery) => waiting.delete(delivery));
  await new Promise<void>((resolve, reject) => {
    sender.once('sendable', () => resolve());
    for (const event of ['disconnected', 'connection_close', 'session_close'])
      connection.once(event, ({ error }: EventContext) => reject(error ?? new Error(event)));
  });
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        const delivery = Buffer.isBuffer(message) ? sender.send(message, undefined, 0) : sender.send(message);
        waiting.set(delivery, { resolve, reject });
      }),
    close: () =>
      new Promise((resolve) => {
        connection.once('connection_close', () => resolve());
        connection.close();
      }),
  };
}
