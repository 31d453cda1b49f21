import { pino } from 'pino';
import { Client } from '../../src/client/client.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import type { ConfiguredTransport } from '../../src/core/config/transport-kind.ts';
import { NotConnected } from '../../src/core/errors.ts';
import type { Reply } from '../../src/core/message/request.ts';
import type { OutgoingMessage, Sender, SenderSession } from '../../src/core/transport/sender.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { waitFor } from '../support/wait.ts';

/** A message that the broker has not answered yet. */
export interface Sent {
  readonly message: OutgoingMessage;
  readonly text: string;
  confirm(): void;
  refuse(error: Error): void;
}

/** A broker in the test's own hands. */
export class FakeSender implements Sender {
  /** The error that attempts fail with, while there is one. */
  refusal: Error | undefined;
  replyTo: string | undefined = 'replies';
  attempts = 0;
  session: FakeSession | undefined;
  /** Unanswered, oldest first. */
  readonly sent: Sent[] = [];
  receive: (reply: Reply) => void = () => {};

  async connect(receive: (reply: Reply) => void): Promise<SenderSession> {
    this.attempts += 1;
    if (this.refusal !== undefined) throw this.refusal;
    this.receive = receive;
    this.session = new FakeSession(this);
    return this.session;
  }

  /** Waits until so many messages are unanswered. */
  async has(count: number): Promise<Sent[]> {
    await waitFor(() => this.sent.length === count, { what: `${count} messages sent`, interval: 1 });
    return this.sent;
  }
}

export class FakeSession implements SenderSession {
  readonly replyTo: string | undefined;
  readonly hasProperties = true;
  readonly closed: Promise<Error | undefined>;
  private readonly sender: FakeSender;
  private over = false;
  private readonly rejections = new Set<(error: Error) => void>();
  private end: (error: Error | undefined) => void = () => {};

  constructor(sender: FakeSender) {
    this.sender = sender;
    this.replyTo = sender.replyTo;
    this.closed = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  send(message: OutgoingMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.over) throw new NotConnected('over');
      const settle = (act: () => void) => () => {
        this.rejections.delete(reject);
        this.sender.sent.splice(this.sender.sent.indexOf(one), 1);
        act();
      };
      const one: Sent = {
        message,
        text: Buffer.from(message.body).toString(),
        confirm: settle(resolve),
        refuse: (error) => settle(() => reject(error))(),
      };
      this.rejections.add(reject);
      this.sender.sent.push(one);
    });
  }

  async stop(): Promise<void> {
    this.finish(new NotConnected('stopped'), undefined);
  }

  /** Ends the session, as a broken connection does. */
  break(): void {
    const error = new NotConnected('broken');
    this.finish(error, error);
  }

  private finish(rejection: Error, closed: Error | undefined): void {
    this.over = true;
    this.sender.sent.splice(0);
    for (const reject of this.rejections) reject(rejection);
    this.end(closed);
  }
}

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/** A client on a fake sender, that tries again at once. */
export async function connectTo(
  t: Test,
  sender: FakeSender,
  options: Partial<ClientOptions> & { codec?: string; auth?: object } = {},
): Promise<Client> {
  const { codec = 'native', auth = {}, ...others } = options;
  const configured = transportKinds.amqp091?.configure('fake', {
    kind: 'amqp091',
    url: 'amqp://fake',
    codec,
    auth,
  });
  if (configured === undefined) throw new Error('amqp091 is not a kind');
  const transport: ConfiguredTransport = { ...configured, createSender: () => sender };
  const settings = { sender: 'i1', reconnect: { base: 1, max: 5 }, ...others };
  const client = new Client(transport, settings, pino({ level: 'silent' }));
  t.teardown(() => client.close({ deadline: 1 }));
  await client.start();
  return client;
}
