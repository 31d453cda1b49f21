/**
 * The one file that reaches inside the client library. Its tests name the library's version.
 *
 * The library makes several objects of each message, decodes a whole header block, and throws over names and values that a server keeps
 * and forwards. It runs callbacks inside the loop that reads the socket. An exception there ends the loop with a line on stdout, and the
 * connection stays open.
 */
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { NodeTransport } from '@nats-io/transport-node/lib/node_transport.js';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';
import { Reader, type Take } from './read.ts';

/**
 * The library leaves the socket open if the server has not greeted in time. A server that is frozen would cost a socket at each attempt.
 */
const closeOfLibrary = NodeTransport.prototype.close;
NodeTransport.prototype.close = async function close(error?: Error): Promise<void> {
  await closeOfLibrary.call(this, error);
  if (this.connected) return;
  // A socket that connects later is ended then.
  this.done = true;
  // The library's type does not say that there may be none yet.
  const socket: NodeTransport['socket'] | undefined = this.socket;
  socket?.destroy();
};

interface Protocol {
  /** `state` 0: the parser is between two operations. */
  readonly parser: { parse(bytes: Uint8Array): void; readonly state: number };
  sendCommand(bytes: Uint8Array): void;
  close(error: Error): Promise<void>;
}

/**
 * The library's connection. Our own reader takes the messages of our subscriptions.
 *
 * An exception during reading ends the connection at once. Its `closed()` then resolves with the exception's text.
 */
export class Wire {
  readonly connection: NatsConnection;
  private readonly protocol: Protocol;
  private readonly reader: Reader;

  /** Must be made as soon as there is a connection, and once. */
  constructor(connection: NatsConnection) {
    this.connection = connection;
    this.protocol = protocolOf(connection);
    const { parser } = this.protocol;
    if (parser.state !== 0) throw new NotConnected('the broker was interrupted in the middle of a line');
    this.reader = new Reader(parser.parse.bind(parser));
    let broken = false;
    parser.parse = (bytes) => {
      // Our reader is inside a message.
      if (broken) return;
      try {
        this.reader.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      } catch (error) {
        broken = true;
        const why = `the messages from the broker could not be taken: ${messageOf(error)}`;
        // It does not reject: the library's closing cannot fail there.
        void this.protocol.close(new NotConnected(why, { cause: error }));
      }
    };
  }

  /**
   * @param fail is called if the server does not allow the subscription, or if the connection has ended.
   * @returns undefined if the connection has ended.
   */
  subscribe(
    subject: string,
    take: Take,
    fail: (error: Error) => void,
    options: { readonly queue?: string } = {},
  ): Subscription | undefined {
    const refuse = (error: unknown) => fail(new NotConnected(messageOf(error), { cause: error }));
    try {
      const subscription = this.connection.subscribe(subject, {
        ...options,
        callback: (error) => {
          if (error !== null) refuse(error);
        },
      });
      const id = subscription.getID();
      this.reader.claim(id, take);
      // Resolves in any case, after the last message.
      void subscription.closed.then(() => this.reader.disclaim(id));
      return subscription;
    } catch (error) {
      refuse(error);
      return undefined;
    }
  }

  /** Writes whole operations, in order with the library's own. Does nothing once the connection has ended. */
  write(bytes: Uint8Array): void {
    this.protocol.sendCommand(bytes);
  }
}

function protocolOf(connection: object): Protocol {
  if ('protocol' in connection && isProtocol(connection.protocol)) return connection.protocol;
  throw new ConfigError(
    'the inside of a connection of @nats-io/transport-node differs from that of version 3.4: install 3.4',
  );
}

function isProtocol(inside: unknown): inside is Protocol {
  return (
    typeof inside === 'object' &&
    inside !== null &&
    'close' in inside &&
    typeof inside.close === 'function' &&
    'sendCommand' in inside &&
    typeof inside.sendCommand === 'function' &&
    'parser' in inside &&
    typeof inside.parser === 'object' &&
    inside.parser !== null &&
    'state' in inside.parser &&
    typeof inside.parser.state === 'number' &&
    'parse' in inside.parser &&
    typeof inside.parser.parse === 'function'
  );
}
