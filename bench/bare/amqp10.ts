import rhea, { type EventContext } from 'rhea';
import { benchAddress } from '../brokers/amqp10.ts';
import { report, type Stopwatch } from '../child.ts';
import type { DrainTask } from '../drain.ts';

/**
 * The client library and nothing else. It accepts and drops each message at once, and writes one frame for all messages of one read from
 * the socket. It grants the prefetch as credit, and refills it itself.
 */
export async function drainAmqp10({ config, prefetch }: DrainTask, stopwatch: Stopwatch): Promise<void> {
  const { hostname, port } = new URL(String(config.url));
  const connection = rhea.create_container().connect({
    host: hostname,
    port: Number(port),
    username: 'guest',
    password: 'guest',
    reconnect: false,
    session_buffer_size: prefetch * 2,
  });
  const receiver = connection.open_receiver({
    source: { address: benchAddress },
    credit_window: prefetch,
    autoaccept: false,
  });
  let received = 0;
  receiver.on('message', ({ delivery }: EventContext) => {
    delivery?.accept();
    received += 1;
    stopwatch.tick(received, received);
  });
  await report(
    stopwatch,
    () =>
      new Promise((resolve) => {
        connection.once('connection_close', resolve);
        // After the last disposition.
        setImmediate(() => connection.close());
      }),
  );
}
