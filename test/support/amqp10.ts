/** A publisher and a listener over AMQP 1.0 for tests: the bare client library, and nothing of ours. */
import rhea, { type Connection, type Delivery, type EventContext, type Message } from 'rhea';
import type { Reply } from '../../src/core/message/request.ts';
import type { OutgoingMessage } from '../../src/core/transport/sender.ts';

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

/** A message with the properties of a cast or call. */
export function encode(message: OutgoingMessage): Message {
  const { body, messageId, replyTo, correlationId, expiration } = message;
  return {
    body: dataSection(body),
    message_id: messageId,
    ...(replyTo !== undefined && { reply_to: replyTo }),
    ...(correlationId !== undefined && { correlation_id: correlationId }),
    ...(expiration !== undefined && { ttl: expiration }),
  };
}

/** A publisher for each sender, because a broker proves a sender by the user of its connection. */
export function publisherPerSender(signIn: (sender: string) => Promise<Publisher>) {
  const publishers = new Map<string, Promise<Publisher>>();
  return {
    async send(sender: string, message: Message): Promise<void> {
      const publisher = publishers.get(sender) ?? signIn(sender);
      publishers.set(sender, publisher);
      await (await publisher).send({ user_id: sender, durable: true, ...message });
    },
    /** The next message of a sender signs in again. */
    async signOut(): Promise<void> {
      const all = [...publishers.values()];
      publishers.clear();
      for (const publisher of all) await (await publisher).close();
    },
  };
}

/** Collects the answers that arrive at an address until the end of the test. */
export async function listenForReplies(
  t: { teardown(end: () => Promise<void>): void },
  options: PeerOptions,
): Promise<ReadonlyArray<Reply>> {
  const replies: Reply[] = [];
  const { close } = await listen(options, ({ body, correlation_id }) =>
    replies.push({ body: body.content, correlationId: String(correlation_id) }),
  );
  t.teardown(close);
  return replies;
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
