/** A peer for what no real broker can be made to do: the client library as a listener, under the test's control. */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import rhea, {
  type AmqpError,
  type Connection,
  type Container,
  type EventContext,
  type Receiver,
  type Sender,
} from 'rhea';

interface Test {
  teardown(end: () => void): void;
}

export interface FakeBroker {
  readonly url: string;
  /** Its events are those of all connections. */
  readonly container: Container;
  /** The links that were opened: what we send on, and what we receive on. */
  readonly senders: Sender[];
  readonly receivers: Receiver[];
  readonly connections: Connection[];
  /** What they are on, for bytes that the client library would not write. */
  readonly sockets: ReadonlySet<Socket>;
  /** Cuts every connection. */
  cut(): void;
}

export interface FakeOptions {
  /** Whether user and password are right; without it anybody comes in. */
  readonly signsIn?: (user: string, password: string) => boolean;
  readonly offeredCapabilities?: string;
  /** Off: the test says what becomes of what it receives. */
  readonly autoaccept?: boolean;
  /** Refuses every link that is to receive from us: an attach without a source, and a detach that says why. */
  readonly refusal?: AmqpError;
  /** Its product and version, as RabbitMQ says them. */
  readonly properties?: Record<string, string>;
}

export async function startFakeBroker(t: Test, options: FakeOptions = {}): Promise<FakeBroker> {
  const container = rhea.create_container();
  const { signsIn, offeredCapabilities, properties, refusal } = options;
  if (signsIn === undefined) container.sasl_server_mechanisms.enable_anonymous();
  else container.sasl_server_mechanisms.enable_plain(signsIn);
  const senders: Sender[] = [];
  const receivers: Receiver[] = [];
  const connections: Connection[] = [];
  const sockets = new Set<Socket>();
  container.on('connection_open', ({ connection }: EventContext) => void connections.push(connection));
  container.on('sender_open', ({ sender }: EventContext) => {
    if (sender === undefined) return;
    if (refusal !== undefined) {
      sender.close(refusal);
      return;
    }
    sender.set_source({ address: sender.source.address ?? 'made-for-you' });
    senders.push(sender);
  });
  container.on('receiver_open', ({ receiver }: EventContext) => {
    if (receiver === undefined) return;
    receiver.set_target({ address: receiver.target.address });
    receivers.push(receiver);
  });
  for (const event of ['disconnected', 'connection_close', 'connection_error', 'error', 'protocol_error'])
    container.on(event, () => {});
  const server = container.listen({
    port: 0,
    host: '127.0.0.1',
    receiver_options: { autoaccept: options.autoaccept ?? true },
    ...(offeredCapabilities !== undefined && { offered_capabilities: offeredCapabilities }),
    ...(properties !== undefined && { properties }),
  });
  server.on('connection', (socket: Socket) => sockets.add(socket.setNoDelay(true)));
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.destroy(new Error('cut'));
  };
  t.teardown(() => {
    cut();
    server.close();
  });
  const { port }: AddressInfo = addressOf(server.address());
  return { url: `amqp://127.0.0.1:${port}`, container, senders, receivers, connections, sockets, cut };
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return address;
}
