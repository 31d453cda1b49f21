/** A publisher and a listener over AMQP 1.0 for tests: the bare client library, and nothing of ours. */
import rhea, { type Connection, type Delivery, type EventContext, type Message } from 'rhea';

export interface Publisher {
  /** Resolves once the broker has accepted the message. As the library takes it, or encoded already. */
  send(message: Message | Buffer): Promise<void>;
  close(): Promise<void>;
}

export interface PeerOptions {
  readonly port: number;
  /** Of RabbitMQ; others have none. */
  readonly vhost?: string;
  /** Whose password is the same. */
  readonly user: string;
  readonly address: string;
}

const connectionEnds = ['connection_error', 'connection_close', 'disconnected'];

/** A body of bytes. */
export function dataSection(body: Uint8Array): unknown {
  return rhea.message.data_section(Buffer.from(body));
}

export async function openPublisher(options: PeerOptions): Promise<Publisher> {
  const { connection, close } = connect(options);
  const sender = connection.open_sender({ target: { address: options.address } });
  const waiting = new Map<Delivery, { resolve(): void; reject(error: Error): void }>();
  const settles = (outcome: string, settle: (delivery: Delivery) => void) =>
    sender.on(outcome, ({ delivery }: EventContext) => {
      if (delivery !== undefined) settle(delivery);
    });
  settles('accepted', (delivery) => waiting.get(delivery)?.resolve());
  for (const outcome of ['released', 'rejected'])
    settles(outcome, (delivery) => waiting.get(delivery)?.reject(new Error(outcome)));
  settles('settled', (delivery) => waiting.delete(delivery));
  let end: Error | undefined;
  // Some brokers end the link, the session or the connection over a message, instead of rejecting it.
  for (const event of ['sender_error', 'sender_close', 'session_error', 'session_close', ...connectionEnds])
    connection.on(event, ({ error }: EventContext) => {
      end ??= error instanceof Error ? error : new Error(event);
      for (const { reject } of waiting.values()) reject(end);
      waiting.clear();
    });
  await opening(connection, (opened) => sender.once('sendable', opened));
  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        if (end !== undefined) throw end;
        const delivery = Buffer.isBuffer(message) ? sender.send(message, undefined, 0) : sender.send(message);
        waiting.set(delivery, { resolve, reject });
      }),
    close,
  };
}

/** Hands on what comes to an address, accepted. */
export async function listen(
  options: PeerOptions,
  receive: (message: Message) => void,
): Promise<{ close(): Promise<void> }> {
  const { connection, close } = connect(options);
  const receiver = connection.open_receiver({ source: { address: options.address } });
  receiver.on('message', ({ message }: EventContext) => {
    if (message !== undefined) receive(message);
  });
  await opening(connection, (opened) => receiver.once('receiver_open', opened));
  return { close };
}

function connect({ port, vhost, user }: PeerOptions): { connection: Connection; close(): Promise<void> } {
  const connection = rhea.create_container().connect({
    host: '127.0.0.1',
    port,
    username: user,
    password: user,
    hostname: vhost === undefined ? '127.0.0.1' : `vhost:${vhost}`,
    reconnect: false,
  });
  const ended = new Promise<void>((resolve) => {
    for (const event of ['connection_close', 'disconnected']) connection.once(event, () => resolve());
  });
  // A broker that is restarted ends it.
  const close = () => {
    connection.close();
    return ended;
  };
  return { connection, close };
}

async function opening(connection: Connection, once: (opened: () => void) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    once(resolve);
    for (const event of ['disconnected', 'connection_close', 'session_close'])
      connection.once(event, ({ error }: EventContext) => reject(error ?? new Error(event)));
  });
}
