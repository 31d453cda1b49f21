import { connect } from 'amqplib';
import { report, type Stopwatch } from '../child.ts';
import type { DrainTask } from '../drain.ts';

/** One acknowledgement for all messages of one read from the socket. */
export async function drainAmqp091({ config, prefetch }: DrainTask, stopwatch: Stopwatch): Promise<void> {
  const connection = await connect(String(config.url), { noDelay: true });
  const channel = await connection.createChannel();
  await channel.prefetch(prefetch);
  let received = 0;
  let scheduled = false;
  await channel.consume('trove-conductor', (message) => {
    if (message === null) return;
    received += 1;
    if (received === 1) stopwatch.tick(1, 0);
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      channel.ackAll();
      stopwatch.tick(received, received);
    });
  });
  await report(stopwatch, async () => {
    await channel.close();
    await connection.close();
  });
}
