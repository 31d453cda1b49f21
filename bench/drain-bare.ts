import { drainAmqp10 } from './bare/amqp10.ts';
import { drainAmqp091 } from './bare/amqp091.ts';
import { drainMqtt } from './bare/mqtt.ts';
import { drainNats } from './bare/nats.ts';
import type { BenchTransport } from './brokers/index.ts';
import { readTask, Stopwatch } from './child.ts';
import type { DrainTask } from './drain.ts';

/**
 * Drains the queue with the conductor's client library and nothing else. It acknowledges and drops messages as fast as the library can, with
 * the same prefetch.
 */
const drains: Record<BenchTransport, (task: DrainTask, stopwatch: Stopwatch) => Promise<void>> = {
  amqp091: drainAmqp091,
  amqp10: drainAmqp10,
  mqtt: drainMqtt,
  nats: drainNats,
};
const task = readTask();
await drains[task.transport](task, new Stopwatch(task));
