/** A TCP proxy in front of a server on 127.0.0.1, to break the network between it and its clients. */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from './ports.ts';

export interface TcpProxy {
  readonly port: number;
  /** The same URL, by way of the proxy. */
  url(direct: string): string;
  /** The connections through it now. */
  readonly connections: number;
  /** Resets all connections, at both ends. New ones are let through. */
  cut(): void;
  /** Cuts once the clients have sent so many chunks more, and does not pass on the last of them. */
  cutAfter(chunks: number): void;
  /** Holds back what is sent from now on for so many milliseconds, either way; 0 ends it. */
  delay(milliseconds: number): void;
  /** Swallows all bytes, either way, and tells nobody; new connections are accepted and led nowhere. */
  halfOpen(): void;
  /** Refuses new connections; those that exist go on. */
  refuse(): void;
  /** Ends all of that. Connections that were half open are cut, for bytes are missing from them. */
  restore(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a proxy in front of `targetPort`. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const port = await freePort();
  const state: State = { delay: 0, swallowing: false, chunksLeft: Number.POSITIVE_INFINITY };
  const open = new Set<Connection>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const connection = join(client, targetPort, state);
    open.add(connection);
    connection.closed.then(() => open.delete(connection));
  });
  const cut = () => {
    for (const connection of open) connection.reset();
  };
  await listen(server, port);
  return {
    port,
    url: (direct) => direct.replace(`:${targetPort}`, `:${port}`),
    get connections() {
      return open.size;
    },
    cut,
    cutAfter: (chunks) => {
      state.chunksLeft = chunks;
    },
    delay: (milliseconds) => {
      state.delay = milliseconds;
    },
    halfOpen: () => {
      state.swallowing = true;
    },
    refuse: () => void server.close(),
    restore: async () => {
      if (state.swallowing) cut();
      state.swallowing = false;
      state.delay = 0;
      if (!server.listening) await listen(server, port);
    },
    stop: async () => {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

interface State {
  delay: number;
  swallowing: boolean;
  /** That clients may send until they are cut. */
  chunksLeft: number;
}

interface Connection {
  readonly closed: Promise<unknown>;
  reset(): void;
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

function join(client: Socket, targetPort: number, state: State): Connection {
  if (state.swallowing) return nowhere(client);
  const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const reset = () => {
    resetSocket(client);
    resetSocket(target);
  };
  client.on('data', () => {
    state.chunksLeft -= 1;
    if (state.chunksLeft === 0) reset();
  });
  forward(client, target, state, reset);
  forward(target, client, state, reset);
  return { reset, closed: Promise.all([closing(client), closing(target)]) };
}

function nowhere(client: Socket): Connection {
  client.on('error', () => {}).resume();
  return { reset: () => resetSocket(client), closed: closing(client) };
}

/**
 * A socket whose end is still on its way cannot be reset (EINVAL); trying leaves a handle behind with which Node, at the end of
 * the process, spins for ever.
 */
function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Passes on what `from` sends, its end, and its breaking, each as late as the delay was when it came. */
function forward(from: Socket, to: Socket, state: State, reset: () => void): void {
  const line = new DelayLine(state);
  from.on('data', (chunk: Buffer) => {
    line.pass(() => {
      // Of a burst, only the first chunk that finds it full waits for it.
      if (to.destroyed || to.write(chunk) || from.isPaused()) return;
      from.pause();
      to.once('drain', () => from.resume());
    });
  });
  from.on('end', () => line.pass(() => to.end()));
  from.on('error', () => line.pass(reset));
}

/** Steps that are taken in the order they came, however the delay changes. */
class DelayLine {
  readonly #state: State;
  readonly #waiting: { readonly due: number; readonly step: () => void }[] = [];

  constructor(state: State) {
    this.#state = state;
  }

  pass(step: () => void): void {
    if (this.#state.swallowing) return;
    if (this.#waiting.length === 0 && this.#state.delay === 0) {
      step();
      return;
    }
    this.#waiting.push({ due: performance.now() + this.#state.delay, step });
    if (this.#waiting.length === 1) setTimeout(() => this.#take(), this.#state.delay);
  }

  #take(): void {
    let [next] = this.#waiting;
    while (next !== undefined && next.due <= performance.now()) {
      this.#waiting.shift();
      if (!this.#state.swallowing) next.step();
      [next] = this.#waiting;
    }
    if (next !== undefined) setTimeout(() => this.#take(), Math.max(next.due - performance.now(), 0));
  }
}
