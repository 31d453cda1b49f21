import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { beforePayload, FrameReader, frameEnd, frameType, method } from './read-frames.ts';
import type { Message } from './read-properties.ts';

/**
 * The one file that reaches into the library. It takes the place of the method by which a connection reads its next frame: the frames of
 * messages are read by ourselves and never reach the library, all others are read by the library. It also writes
 * acknowledgements. test/transports/amqp091-read.test.ts names the version that this was written for.
 */

/** What we use of the library's connection. */
interface Internals extends EventEmitter {
  readonly stream: Readable;
  /** Bytes that were read from the stream and belong to no frame yet. */
  rest: Buffer;
  readonly maxFrameSize: number;
  /** Whether something came since the library last looked, for the heartbeats. */
  recvSinceLastCheck: boolean;
  /** False: there is no whole frame yet. */
  recvFrame(): unknown;
  sendBytes(bytes: Buffer): void;
}

/** The library's `ChannelModel`, whose types do not show what is inside. */
type Model = { readonly connection: object };

function internalsOf({ connection }: Model): Internals {
  if (!isInternals(connection)) throw anotherInside();
  return connection;
}

function isInternals(connection: object): connection is Internals {
  return (
    connection instanceof EventEmitter &&
    'stream' in connection &&
    connection.stream instanceof Readable &&
    'rest' in connection &&
    Buffer.isBuffer(connection.rest) &&
    'maxFrameSize' in connection &&
    typeof connection.maxFrameSize === 'number' &&
    'recvSinceLastCheck' in connection &&
    typeof connection.recvSinceLastCheck === 'boolean' &&
    'recvFrame' in connection &&
    typeof connection.recvFrame === 'function' &&
    'sendBytes' in connection &&
    typeof connection.sendBytes === 'function'
  );
}

function numberOf(channel: object): number {
  if (!('ch' in channel) || typeof channel.ch !== 'number') throw anotherInside();
  return channel.ch;
}

function anotherInside(): Error {
  return new Error('this version of amqplib has another inside: install 2.3.1');
}

/**
 * From here on the messages of this channel are read by ourselves. To be called once a connection, before the channel consumes; what the
 * library hands to its consumer then is only the end of it.
 *
 * @param receive is called with each message. What it throws is told to `onConnectionFault`.
 * @param withRoutingKey whether it needs that.
 */
export function readMessages(
  model: Model,
  channel: object,
  receive: (message: Message) => void,
  withRoutingKey = false,
): void {
  const connection = internalsOf(model);
  const readByLibrary: (this: Pick<Internals, 'rest' | 'maxFrameSize'>) => unknown = connection.recvFrame;
  const reader = new FrameReader(
    {
      next() {
        const incoming: unknown = connection.stream.read();
        if (!Buffer.isBuffer(incoming)) return undefined;
        connection.recvSinceLastCheck = true;
        return incoming;
      },
      readOther: (rest) => readByLibrary.call({ rest, maxFrameSize: connection.maxFrameSize }),
      onFault: (error) => connection.emit(handlerError, error),
    },
    { channel: numberOf(channel), maxFrameSize: connection.maxFrameSize, withRoutingKey },
    receive,
    connection.rest,
  );
  connection.rest = Buffer.alloc(0);
  connection.recvFrame = () => reader.next();
}

/** Ends a connection that no longer answers: the library cannot be asked to. */
export function letGo(model: Model): void {
  // With an error: the library gives up its heartbeats then.
  internalsOf(model).stream.destroy(new Error('the connection is given up'));
}

/** Tells of an error that a listener of the connection's own events, or whoever receives its messages, throws. */
export function onConnectionFault(model: Model, tell: (error: unknown) => void): void {
  internalsOf(model).on(handlerError, tell);
}

/** The library's own event for it. */
const handlerError = 'handler-error';

/** Bytes of one frame with an acknowledgement. */
const settlingFrame = beforePayload + 4 + 8 + 1 + 1;

/**
 * Writes the frames for these delivery tags at once: basic.ack, or basic.nack, each with the same bits behind the tag (sections
 * 1.8.3.13 and, of RabbitMQ's extensions, 1.8.3.14).
 */
function writeSettling(model: Model, channel: object, tags: ReadonlyArray<number>, id: number, bits: number) {
  if (tags.length === 0) return;
  const bytes = Buffer.allocUnsafe(tags.length * settlingFrame);
  const number = numberOf(channel);
  let at = 0;
  for (const tag of tags) {
    at = bytes.writeUInt8(frameType.method, at);
    at = bytes.writeUInt16BE(number, at);
    at = bytes.writeUInt32BE(settlingFrame - beforePayload - 1, at);
    at = bytes.writeUInt32BE(id, at);
    at = bytes.writeUInt32BE(Math.floor(tag / 2 ** 32), at);
    at = bytes.writeUInt32BE(tag % 2 ** 32, at);
    at = bytes.writeUInt8(bits, at);
    at = bytes.writeUInt8(frameEnd, at);
  }
  internalsOf(model).sendBytes(bytes);
}

const bits = { multiple: 1, requeue: 2 } as const;

/** Acknowledges each of these, and with `allUpTo` everything before it too. */
export function acknowledge(
  model: Model,
  channel: object,
  tags: ReadonlyArray<number>,
  allUpTo: boolean,
): void {
  writeSettling(model, channel, tags, method.ack, allUpTo ? bits.multiple : 0);
}

/** Gives these back. Never by basic.reject: that counts toward a quorum queue's delivery limit. */
export function requeue(model: Model, channel: object, tags: ReadonlyArray<number>): void {
  writeSettling(model, channel, tags, method.nack, bits.requeue);
}
