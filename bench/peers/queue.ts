import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { now } from '../clock.ts';
import { Pace } from '../load/pace.ts';
import { instanceId, osloHeartbeat } from '../messages.ts';

/** Trove's queue on RabbitMQ, as its guests fill it. */
export interface TroveQueue {
  /**
   * Puts heartbeats of instances from `first` on, one of each, on the queue. Resolves once the broker has them.
   *
   * @param rate messages a second; Infinity: as fast as it can. Each is `sent` at the time at which it is due.
   */
  fill(first: number, count: number, rate: number): Promise<void>;
  /** Messages that wait for a consumer. */
  waiting(): Promise<number>;
  close(): Promise<void>;
}

const name = 'trove-conductor';
/** Unconfirmed messages at most. */
const window = 1000;

export async function openQueue(url: string): Promise<TroveQueue> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange('trove', 'topic', { durable: true });
  await channel.assertQueue(name, { durable: true });
  await channel.bindQueue(name, 'trove', name);
  const properties = {
    persistent: true,
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    priority: 0,
  };
  return {
    async fill(first, count, rate) {
      const pace = new Pace(now(), rate, count);
      let unconfirmed = 0;
      while (!pace.isDone) {
        for (let left = Math.min(pace.due(now()), window); left > 0; left -= 1) {
          const instance = instanceId(first + pace.taken);
          const due = rate === Number.POSITIVE_INFINITY ? now() : pace.take();
          if (rate === Number.POSITIVE_INFINITY) pace.take();
          channel.publish('trove', name, osloHeartbeat(instance, due / 1000, 'healthy'), properties);
          unconfirmed += 1;
        }
        if (unconfirmed >= window) {
          await channel.waitForConfirms();
          unconfirmed = 0;
        } else await sleep(1);
      }
      await channel.waitForConfirms();
    },
    waiting: async () => (await channel.checkQueue(name)).messageCount,
    close: () => connection.close(),
  };
}
