import type { BenchTransport } from '../../brokers/index.ts';
import type { Destination, Publisher } from '../publisher.ts';
import { publishAmqp10 } from './amqp10.ts';
import { publishAmqp091 } from './amqp091.ts';
import { publishMqtt } from './mqtt.ts';
import { publishNats } from './nats.ts';

/** Opens a connection that sends. */
export const openPublisher: Record<BenchTransport, (destination: Destination) => Promise<Publisher>> = {
  amqp091: publishAmqp091,
  amqp10: publishAmqp10,
  mqtt: publishMqtt,
  nats: publishNats,
};
