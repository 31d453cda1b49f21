import { startAmqp10 } from './amqp10.ts';
import { startAmqp091 } from './amqp091.ts';
import type { BenchBroker } from './broker.ts';
import { startMqtt } from './mqtt.ts';
import { startNats } from './nats.ts';

/** The transports that are measured, each with a broker of its own. */
export const startBroker = {
  amqp091: startAmqp091,
  amqp10: startAmqp10,
  mqtt: startMqtt,
  nats: startNats,
} satisfies Record<string, () => Promise<BenchBroker>>;
export type BenchTransport = keyof typeof startBroker;
