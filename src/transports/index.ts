import type { TransportKind } from '../core/config/transport-kind.ts';
import { amqp10 } from './amqp10/index.ts';
import { amqp091 } from './amqp091/index.ts';
import { mqtt } from './mqtt/index.ts';
import { nats } from './nats/index.ts';

/** The protocols that `kind` in the configuration may name. */
export const transportKinds: Readonly<Record<string, TransportKind>> = {
  amqp091,
  amqp10,
  mqtt,
  nats,
};
