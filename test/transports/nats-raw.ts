/** A NATS client of a socket and nothing else: it writes what no library would. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { service } from '../support/services.ts';

export interface RawMessage {
  readonly subject: string;
  readonly replyTo: string;
  readonly body: Buffer;
}

export interface RawClient {
  /** The bytes of a header block as they are; none: a plain message. */
  publish(subject: string, body: Uint8Array, block?: Uint8Array, replyTo?: string): void;
  subscribe(subject: string, receive: (message: RawMessage) => void): void;
  /** Resolves once the server has read all that was written; rejects if it has complained or ended the connection. */
  flush(): Promise<void>;
  end(): void;
}

/** What a message's header block has to begin with. */
export const version = 'NATS/1.0\r\n';

/** A block of these lines, each of which is written as it is. */
export function blockOf(...lines: ReadonlyArray<string | Uint8Array>): Buffer {
  const parts = lines.flatMap((line) => [Buffer.from(line), Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(version), ...parts, Buffer.from('\r\n')]);
}

/** Connects to the server of this run, or to another one. */
export async function connectRaw(port = service('nats').port): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const receivers = new Map<string, (message: RawMessage) => void>();
  const pongs: { resolve(): void; reject(error: Error): void }[] = [];
  let failure: Error | undefined;
  let unread = Buffer.alloc(0);
  const fail = (error: Error) => {
    failure ??= error;
    for (const pong of pongs.splice(0)) pong.reject(failure);
  };
  /** Takes one operation off `unread`; false if it is not complete. */
  const take = (): boolean => {
    const end = unread.indexOf('\r\n');
    if (end < 0) return false;
    const [operation = '', ...words] = unread.subarray(0, end).toString().split(' ');
    let next = end + 2;
    if (operation === 'MSG' || operation === 'HMSG') {
      const size = Number(words.at(-1));
      const head = operation === 'HMSG' ? Number(words.at(-2)) : 0;
      if (unread.length < next + size + 2) return false;
      const body = Buffer.from(unread.subarray(next + head, next + size));
      const [subject = '', id = '', replyTo = ''] = words;
      const hasReply = words.length === (operation === 'HMSG' ? 5 : 4);
      receivers.get(id)?.({ subject, replyTo: hasReply ? replyTo : '', body });
      next += size + 2;
    } else if (operation === 'PING') socket.write('PONG\r\n');
    else if (operation === 'PONG') pongs.shift()?.resolve();
    else if (operation === '-ERR') fail(new Error(words.join(' ')));
    unread = unread.subarray(next);
    return true;
  };
  socket.on('data', (bytes) => {
    unread = Buffer.concat([unread, bytes]);
    while (take());
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the connection was closed')));
  socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
  return {
    publish(subject, body, block, replyTo = '') {
      const words = [subject, replyTo].filter((word) => word !== '').join(' ');
      const head = block === undefined ? '' : ` ${block.length}`;
      socket.write(
        `${block === undefined ? '' : 'H'}PUB ${words}${head} ${(block?.length ?? 0) + body.length}\r\n`,
      );
      if (block !== undefined) socket.write(block);
      socket.write(body);
      socket.write('\r\n');
    },
    subscribe(subject, receive) {
      const id = String(receivers.size + 1);
      receivers.set(id, receive);
      socket.write(`SUB ${subject} ${id}\r\n`);
    },
    flush: () =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        pongs.push({ resolve, reject });
        socket.write('PING\r\n');
      }),
    end: () => void socket.destroy(),
  };
}
