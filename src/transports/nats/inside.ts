/**
 * Reaches behind the public interface of the client library; no other file does. Its tests are tied to the library's version.
 *
 * The library decodes a header block as a whole, and throws over names and values that a server keeps and forwards. It runs our
 * callbacks within the loop that reads the socket: an exception there ends the loop with a line on stdout, while the connection
 * stays open.
 */
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';

/** A message as the library keeps it: the bytes behind its line, of which the first `hdr` are the header block; -1: it has none. */
interface RawMessage {
  readonly _rdata: Uint8Array;
  readonly _msg: { readonly hdr: number };
}

interface Protocol {
  readonly parser: { parse(bytes: Uint8Array): void };
  close(error: Error): Promise<void>;
}

/** The bytes of the header block, which are the message's own and not copied; undefined if it has none. */
export function headerBlock(message: Msg): Uint8Array | undefined {
  if (!isRaw(message)) throw unknownInside('a message');
  const { hdr } = message._msg;
  return hdr < 0 ? undefined : message._rdata.subarray(0, hdr);
}

/** How many bytes it keeps in memory: header block and body. */
export function sizeOf(message: Msg): number {
  if (!isRaw(message)) throw unknownInside('a message');
  return message._rdata.length;
}

/**
 * From now on an exception while something is read ends the connection at once, and its `closed()` resolves with the exception's
 * text. To be called once, as soon as there is a connection.
 */
export function guardReader(connection: NatsConnection): void {
  const protocol = protocolOf(connection);
  const { parser } = protocol;
  const parse = parser.parse.bind(parser);
  let broken = false;
  parser.parse = (bytes) => {
    // The parser stands in the middle of a message.
    if (broken) return;
    try {
      parse(bytes);
    } catch (error) {
      broken = true;
      const why = `what the broker has sent could not be taken: ${messageOf(error)}`;
      // Does not reject: the library has nothing that fails there.
      void protocol.close(new NotConnected(why, { cause: error }));
    }
  };
}

function protocolOf(connection: object): Protocol {
  if ('protocol' in connection && isProtocol(connection.protocol)) return connection.protocol;
  throw unknownInside('a connection');
}

function unknownInside(what: string): ConfigError {
  return new ConfigError(
    `the inside of ${what} of @nats-io/transport-node is not what it was in 3.4: install that version`,
  );
}

function isRaw(message: object): message is RawMessage {
  return (
    '_msg' in message &&
    '_rdata' in message &&
    message._rdata instanceof Uint8Array &&
    typeof message._msg === 'object' &&
    message._msg !== null &&
    'hdr' in message._msg &&
    typeof message._msg.hdr === 'number'
  );
}

function isProtocol(inside: unknown): inside is Protocol {
  return (
    typeof inside === 'object' &&
    inside !== null &&
    'close' in inside &&
    typeof inside.close === 'function' &&
    'parser' in inside &&
    typeof inside.parser === 'object' &&
    inside.parser !== null &&
    'parse' in inside.parser &&
    typeof inside.parser.parse === 'function'
  );
}
