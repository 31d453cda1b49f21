import { defineKind } from '../../core/config/transport-kind.ts';
import { lazySender, lazyTransport } from '../../core/transport/lazily.ts';
import { describe } from './describe.ts';
import { amqp10Schema, withCodecDefaults } from './options.ts';

/** RabbitMQ, Artemis, Qpid, and other brokers that speak AMQP 1.0. */
export const amqp10 = defineKind(
  amqp10Schema,
  (given, setup) =>
    lazyTransport(setup.name, async () => {
      const { createTransport } = await import('./transport.ts');
      return createTransport(withCodecDefaults(given), setup);
    }),
  (given, setup) =>
    lazySender(async () => {
      const { createSender } = await import('./sender.ts');
      return createSender(withCodecDefaults(given), setup);
    }),
  undefined,
  describe,
);
