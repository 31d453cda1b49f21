import { Duplex } from 'node:stream';
import { messageOf, NotConnected } from '../../core/errors.ts';
import { PacketReader } from './read.ts';
import { encodeAcks, type PublishOptions, type Receive } from './read-publish.ts';
import { createPublishReader } from './read-trace.ts';

/**
 * A stream between the socket and the client library, which takes it for the socket. Our own reader takes the messages. The library,
 * whose parser costs several times as much, gets all other packets.
 */
export class Tap extends Duplex {
  private readonly wire: Duplex;
  private receive: Receive;
  /** Messages that came right after the CONNACK, before `receive` was set. */
  private readonly early: Parameters<Receive>[] = [];
  /** Why the socket is not read: the library has not taken its bytes, or the session wants no more. */
  private isFull = false;
  private isHeld = false;

  constructor(wire: Duplex, options: PublishOptions) {
    super();
    this.wire = wire;
    this.receive = (...message) => {
      this.early.push(message);
      this.hold();
    };
    const reader = new PacketReader(
      {
        receive: (body, meta, ack, clears) => this.receive(body, meta, ack, clears),
        pass: (bytes) => {
          this.isFull = !this.push(bytes);
        },
      },
      createPublishReader(options),
    );
    wire.on('data', (chunk: Buffer) => this.readChunk(reader, chunk));
    wire.on('error', (error) => this.destroy(error));
    wire.on('close', () => {
      this.push(null);
      // The library gets the last packets first.
      setImmediate(() => this.destroy());
    });
  }

  /** Receives messages from now on. An exception of `receive` ends the connection. */
  start(receive: Receive): void {
    this.receive = receive;
    for (const message of this.early.splice(0)) receive(...message);
    this.release();
  }

  /** Stops reading from the socket. */
  hold(): void {
    this.isHeld = true;
    this.adjust();
  }

  release(): void {
    this.isHeld = false;
    this.adjust();
  }

  /** Acknowledges the messages with one write. */
  acknowledge(messages: ReadonlyArray<{ readonly handle: number }>): void {
    if (messages.length > 0 && this.writable) this.write(encodeAcks(messages));
  }

  override _read(): void {
    this.isFull = false;
    this.adjust();
  }

  override _write(chunk: Buffer, _encoding: unknown, done: (error?: Error | null) => void): void {
    this.wire.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.wire.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.wire.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.wire.destroy();
    done(error);
  }

  private readChunk(reader: PacketReader, chunk: Buffer): void {
    if (this.destroyed) return;
    try {
      reader.feed(chunk);
    } catch (error) {
      this.destroy(
        error instanceof NotConnected
          ? error
          : new NotConnected(`a message could not be taken: ${messageOf(error)}`, { cause: error }),
      );
      return;
    }
    this.adjust();
  }

  private adjust(): void {
    const mayRead = !this.isFull && !this.isHeld;
    if (mayRead === !this.wire.isPaused()) return;
    if (mayRead) this.wire.resume();
    else this.wire.pause();
  }
}
