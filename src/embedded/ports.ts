import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** How often a server is started on another port after another program has taken its port. */
const attempts = 5;

/** Starts a server on the preferred port of 127.0.0.1, or on another one if that is taken, or gets taken meanwhile. */
export async function onFreePort<T>(preferred: number, start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await choosePort(preferred);
    try {
      return await start(port);
    } catch (error) {
      if (attempt === attempts || (await choosePort(port)) === port) throw error;
    }
  }
}

/** The preferred port of 127.0.0.1 if it is free, otherwise any free port. */
async function choosePort(preferred: number): Promise<number> {
  if (await answers(preferred)) return any();
  return (await listenOnce(preferred)) ?? any();
}

async function any(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) throw new Error('no free port on 127.0.0.1');
  return port;
}

/** Connects first: some systems let a second server listen on 127.0.0.1 beside one that listens on every address. */
async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The port, if this process can listen there (0: any port). */
async function listenOnce(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return portOf(server.address());
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}

function portOf(address: AddressInfo | string | null): number | undefined {
  return typeof address === 'object' ? address?.port : undefined;
}
