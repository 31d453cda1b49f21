import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { beforePayload, FrameReader, frameEnd, frameType, method } from './read-frames.ts';
import type { Message } from './read-properties.ts';

/**
 * The one file that reaches inside the library. It replaces the method by which a connection reads its next frame. Our own reader takes
 * the frames of messages, and the library gets all others. This file also writes acknowledgements.
 * test/transports/amqp091-read.test.ts names the version of the library.
 */

/** The part of the library's connection that we use. */
interface Internals extends EventEmitter {
  readonly stream: Readable;
  /** Bytes that were read from the stream and belong to no whole frame yet. */
  rest: Buffer;
  readonly maxFrameSize: number;
  /** Whether bytes have come since the library last checked its heartbeat. */
  recvSinceLastCheck: boolean;
  /** Returns false if there is no whole frame yet. */
  recvFrame(): unknown;
  sendBytes(bytes: Buffer): void;
}

/** The library's `ChannelModel`. Its types hide these members. */
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
 * Reads the messages of this channel from now on. Call it once a connection, before the channel consumes. The library's own consumer
 * then hears only of its cancellation.
 *
 * @param receive takes each message. `onConnectionFault` gets an error that it throws.
 * @param withRoutingKey whether `receive` needs the routing key.
 * @param Reader reads the frames of the messages.
 */
export function readMessages(
  model: Model,
  channel: object,
  receive: (message: Message) => void,
  withRoutingKey = false,
  Reader = FrameReader,
): void {
  const connection = internalsOf(model);
  const readByLibrary: (this: Pick<Internals, 'rest' | 'maxFrameSize'>) => unknown = connection.recvFrame;
  const reader = new Reader(
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

/** Ends a connection that does not answer any more. The library has no method for it. */
export function letGo(model: Model): void {
  // With an error, the library stops its heartbeats.
  internalsOf(model).stream.destroy(new Error('the connection is given up'));
}

/** Calls back with an error that a listener of the connection's events, or the taker of its messages, has thrown. */
export function onConnectionFault(model: Model, tell: (error: unknown) => void): void {
  internalsOf(model).on(handlerError, tell);
}

/** The library's own event for such errors. */
const handlerError = 'handler-error';

/** Bytes of one acknowledging frame. */
const settlingFrame = beforePayload + 4 + 8 + 1 + 1;

/**
 * Writes the frames for these delivery tags in one write: basic.ack or basic.nack, each with the same bits after the tag (section
 * 1.8.3.13; RabbitMQ's extensions, 1.8.3.14).
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

/** Acknowledges each of these tags; with `allUpTo`, all earlier ones too. */
export function acknowledge(
  model: Model,
  channel: object,
  tags: ReadonlyArray<number>,
  allUpTo: boolean,
): void {
  writeSettling(model, channel, tags, method.ack, allUpTo ? bits.multiple : 0);
}

/** Gives these deliveries back. It never uses basic.reject, which counts toward a quorum queue's delivery limit. */
export function requeue(model: Model, channel: object, tags: ReadonlyArray<number>): void {
  writeSettling(model, channel, tags, method.nack, bits.requeue);
}
