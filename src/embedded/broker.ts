/**
 * An MQTT 3.1.1 broker inside this process, for the demo. It keeps everything in memory, listens on 127.0.0.1 only, and lets everybody
 * there publish for any guest. It has no shared subscriptions, so it serves one conductor.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Aedes } from 'aedes';

/** A running broker. */
export interface RunningBroker {
  readonly url: string;
  /** Closes every connection, then the port. A second call does nothing. */
  stop(): Promise<void>;
}

/** Starts a broker on a port of 127.0.0.1. Rejects if it cannot listen there. */
export async function startBroker(port: number): Promise<RunningBroker> {
  const broker = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    await closeBroker(broker);
    throw error;
  }

  async function stop(): Promise<void> {
    await closeBroker(broker);
    // The broker does not list a connection that has sent no CONNECT.
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
  let stopped: Promise<void> | undefined;
  return {
    url: `mqtt://127.0.0.1:${port}`,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

function closeBroker(broker: Aedes): Promise<void> {
  return new Promise((resolve) => broker.close(() => resolve()));
}
