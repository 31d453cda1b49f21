/**
 * Reaches behind the public interface of the client library; no other file does. Its tests are tied to the library's version.
 *
 * The library makes several objects of each message, decodes a header block as a whole, and throws over names and values that a
 * server keeps and forwards. It runs callbacks within the loop that reads the socket: an exception there ends the loop with a line on
 * stdout, while the connection stays open.
 */
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';
import { Reader, type Take } from './read.ts';

interface Protocol {
  /** `state` 0: it stands between two operations. */
  readonly parser: { parse(bytes: Uint8Array): void; readonly state: number };
  sendCommand(bytes: Uint8Array): void;
  close(error: Error): Promise<void>;
}

/**
 * The library's connection, on which we read the messages of our subscriptions ourselves.
 *
 * An exception while something is read ends the connection at once, and its `closed()` resolves with the exception's text.
 */
export class Wire {
  readonly connection: NatsConnection;
  private readonly protocol: Protocol;
  private readonly reader: Reader;

  /** To be made once, as soon as there is a connection. */
  constructor(connection: NatsConnection) {
    this.connection = connection;
    this.protocol = protocolOf(connection);
    const { parser } = this.protocol;
    if (parser.state !== 0) throw new NotConnected('the broker was interrupted in the middle of a line');
    this.reader = new Reader(parser.parse.bind(parser));
    let broken = false;
    parser.parse = (bytes) => {
      // The reader stands in the middle of a message.
      if (broken) return;
      try {
        this.reader.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      } catch (error) {
        broken = true;
        const why = `what the broker has sent could not be taken: ${messageOf(error)}`;
        // Does not reject: the library has nothing that fails there.
        void this.protocol.close(new NotConnected(why, { cause: error }));
      }
    };
  }

  /**
   * @param fail is told if the server does not allow it, or the connection has ended.
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
      // Resolves in any case, behind the last message.
      void subscription.closed.then(() => this.reader.disclaim(id));
      return subscription;
    } catch (error) {
      refuse(error);
      return undefined;
    }
  }

  /** Writes whole operations, in their order with what the library writes. Does nothing once the connection has ended. */
  write(bytes: Uint8Array): void {
    this.protocol.sendCommand(bytes);
  }
}

function protocolOf(connection: object): Protocol {
  if ('protocol' in connection && isProtocol(connection.protocol)) return connection.protocol;
  throw new ConfigError(
    'the inside of a connection of @nats-io/transport-node is not what it was in 3.4: install that version',
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
