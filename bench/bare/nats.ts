import { AckPolicy, jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { report, type Stopwatch } from '../child.ts';
import type { DrainTask } from '../drain.ts';

/** Drains the stream as fast as the library can: with its own `consume`, which pulls ahead, and one acknowledgement a message. */
export async function drainNats(
  { config, messages, prefetch }: DrainTask,
  stopwatch: Stopwatch,
): Promise<void> {
  const connection = await connect({ servers: String(config.url), reconnect: false });
  const stream = jetstream(connection);
  const manager = await stream.jetstreamManager();
  const name = String(config.stream);
  // A work queue has one consumer, so the conductor uses the same one afterwards.
  await manager.consumers.add(name, {
    durable_name: 'conductor',
    filter_subject: String(config.subject),
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 4 * prefetch,
    ack_wait: 10_000_000_000,
    max_deliver: -1,
  });
  const consumer = await stream.consumers.get(name, 'conductor');
  let received = 0;
  await consumer.consume({
    max_messages: prefetch,
    callback: (message) => {
      message.ack();
      received += 1;
      if (received === 1 || received === messages) stopwatch.tick(received, received);
    },
  });
  await report(stopwatch, async () => {
    await connection.flush();
    await connection.close();
  });
}
