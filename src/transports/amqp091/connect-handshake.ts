import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import type { TlsOptions } from '../../core/transport/security.ts';

/** A mechanism of SASL. */
export interface SignIn {
  readonly mechanism: string;
  response(): Buffer;
}

/** The end of an opening: the broker's own words if it closes the connection. */
export type Ending =
  | { readonly kind: 'opened' }
  | { readonly kind: 'refused'; readonly code: number; readonly text: string }
  /** The broker closes the socket, or is silent until the deadline. */
  | { readonly kind: 'silent' }
  /** The peer speaks another protocol. */
  | { readonly kind: 'foreign'; readonly said: Buffer };

const protocolHeader = Buffer.from('AMQP\0\0\u0009\u0001', 'latin1');
const method = { start: 10, tune: 30, openOk: 41, close: 50 } as const;
const connectionClass = 10;
/** Type, channel and size come before a frame's payload. */
const beforePayload = 7;
const methodFrame = 1;
/** The bound on the broker's bytes. A handshake has far fewer. */
const largest = 1 << 20;

/**
 * Opens a connection as far as possible, and ends it. The library hides a broker's words if it refuses the virtual host, and hides the
 * bytes of another protocol. This repeats a failed handshake to learn why it failed.
 *
 * @param target a URL with the virtual host as its path.
 * @param patience milliseconds.
 */
export function tryHandshake(
  target: URL,
  signIn: SignIn,
  tls: TlsOptions | undefined,
  patience: number,
): Promise<Ending> {
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const port = Number(target.port) || (tls === undefined ? 5672 : 5671);
  const socket: Socket =
    tls === undefined
      ? connectPlain({ host, port })
      : connectSecure({ host, port, ...(isIP(host) === 0 && { servername: host }), ...tls });
  return new Promise((resolve) => {
    const end = (ending: Ending) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(ending);
    };
    const timer = setTimeout(end, patience, { kind: 'silent' });
    let bytes = Buffer.alloc(0);
    socket.on('error', () => end({ kind: 'silent' }));
    socket.on('close', () => end({ kind: 'silent' }));
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      try {
        bytes = bytes.subarray(answerAll(bytes, target, signIn, socket, end));
      } catch {
        // A method that is too short.
        end({ kind: 'foreign', said: bytes });
      }
    });
    socket.write(protocolHeader);
  });
}

/** Answers every whole frame. Returns how many bytes they have. */
function answerAll(
  bytes: Buffer,
  target: URL,
  signIn: SignIn,
  socket: Socket,
  end: (ending: Ending) => void,
): number {
  let at = 0;
  while (bytes.length - at > 0) {
    if (bytes.readUInt8(at) !== methodFrame) {
      end({ kind: 'foreign', said: bytes.subarray(at) });
      return bytes.length;
    }
    if (bytes.length - at <= beforePayload) return at;
    const size = bytes.readUInt32BE(at + 3);
    if (size > largest) {
      end({ kind: 'foreign', said: bytes.subarray(at) });
      return bytes.length;
    }
    const next = at + beforePayload + size + 1;
    if (next > bytes.length) return at;
    answer(bytes.subarray(at + beforePayload, next - 1), target, signIn, socket, end);
    at = next;
  }
  return at;
}

function answer(
  payload: Buffer,
  target: URL,
  signIn: SignIn,
  socket: Socket,
  end: (ending: Ending) => void,
): void {
  if (payload.readUInt16BE(0) !== connectionClass) return;
  switch (payload.readUInt16BE(2)) {
    case method.start:
      // Client properties (none), the mechanism, its response, the locale.
      socket.write(
        methodOf(11, long(Buffer.alloc(0)), short(signIn.mechanism), long(signIn.response()), short('en_US')),
      );
      break;
    case method.tune: {
      const vhost = decodeURIComponent(target.pathname.slice(1)) || '/';
      // The broker's own bounds, without heartbeats; then the virtual host and two deprecated fields.
      const bounds = Buffer.concat([payload.subarray(4, 10), Buffer.of(0, 0)]);
      socket.write(Buffer.concat([methodOf(31, bounds), methodOf(40, short(vhost), Buffer.of(0, 0))]));
      break;
    }
    case method.openOk:
      end({ kind: 'opened' });
      break;
    case method.close: {
      const length = payload.readUInt8(6);
      end({
        kind: 'refused',
        code: payload.readUInt16BE(4),
        text: payload.toString('utf8', 7, 7 + length),
      });
    }
  }
}

function methodOf(id: number, ...fields: Buffer[]): Buffer {
  const payload = Buffer.concat([Buffer.of(0, connectionClass, 0, id), ...fields]);
  const head = Buffer.alloc(beforePayload);
  head.writeUInt8(methodFrame);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.of(0xce)]);
}

function short(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function long(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
