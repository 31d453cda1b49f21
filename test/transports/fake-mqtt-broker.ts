/** An MQTT 5 peer for what no real broker can be made to do: it writes bytes of the test's own. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

interface Test {
  teardown(end: () => void): void;
}

export interface FakeMqttBroker {
  readonly url: string;
  /** The last connection. */
  socket(): Socket;
}

export interface FakeMqttOptions {
  /** Properties of the CONNACK, encoded. */
  readonly properties?: readonly number[];
  /** A PUBLISH of QoS 1 that has come from the client; without it, it is acknowledged at once. */
  readonly onPublish?: (packetId: number, acknowledge: () => void) => void;
}

/** First byte of a packet: its type in the upper four bits (MQTT 5, section 2.1.2). */
const type = { connect: 0x10, publish: 0x30, subscribe: 0x80 };

export async function startFakeMqttBroker(t: Test, options: FakeMqttOptions = {}): Promise<FakeMqttBroker> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    let unread: Buffer = Buffer.alloc(0);
    socket.on('data', (data) => {
      unread = Buffer.concat([unread, data]);
      for (let packet = takePacket(unread); packet !== undefined; packet = takePacket(unread)) {
        unread = packet.rest;
        answer(socket, packet.header, packet.content, options);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return {
    url: `mqtt://127.0.0.1:${address.port}`,
    socket: () => {
      const last = sockets.at(-1);
      if (last === undefined) throw new Error('nobody has connected');
      return last;
    },
  };
}

/** A PUBLISH of QoS 1 to the client. */
export function publishPacket(packetId: number, topic: string, body: string): Buffer {
  const content = Buffer.concat([
    Buffer.from([0, topic.length]),
    Buffer.from(topic),
    Buffer.from([packetId >> 8, packetId & 0xff, 0]),
    Buffer.from(body),
  ]);
  return Buffer.concat([Buffer.from([0x32, content.length]), content]);
}

function answer(
  socket: Socket,
  header: number,
  content: Buffer,
  { properties = [], onPublish }: FakeMqttOptions,
): void {
  const kind = header & 0xf0;
  if (kind === type.connect)
    socket.write(Buffer.from([0x20, properties.length + 3, 0, 0, properties.length, ...properties]));
  if (kind === type.subscribe)
    socket.write(Buffer.from([0x90, 4, content.readUInt8(0), content.readUInt8(1), 0, 1]));
  if (kind === type.publish) {
    const at = 2 + content.readUInt16BE(0);
    const [high, low] = [content.readUInt8(at), content.readUInt8(at + 1)];
    const acknowledge = () => void socket.write(Buffer.from([0x40, 2, high, low]));
    if (onPublish === undefined) acknowledge();
    else onPublish(high * 256 + low, acknowledge);
  }
}

/** The first packet, if it is there as a whole (MQTT 5, section 2.1.4: seven bits of its length a byte). */
function takePacket(bytes: Buffer): { header: number; content: Buffer; rest: Buffer } | undefined {
  let length = 0;
  for (let index = 1; index < bytes.length; index += 1) {
    const byte = bytes.readUInt8(index);
    length += (byte & 0x7f) << (7 * (index - 1));
    if (byte > 0x7f) continue;
    const begin = index + 1;
    if (bytes.length < begin + length) return undefined;
    return {
      header: bytes.readUInt8(0),
      content: bytes.subarray(begin, begin + length),
      rest: bytes.subarray(begin + length),
    };
  }
  return undefined;
}
