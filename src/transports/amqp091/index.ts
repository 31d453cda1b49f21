import { defineKind } from '../../core/config/transport-kind.ts';
import { lazySender, lazyTransport } from '../../core/transport/lazily.ts';
import { describe } from './describe.ts';
import { amqp091Schema, checkSenderKey, checkSubject, withCodecDefaults } from './options.ts';

/** RabbitMQ, and other brokers that speak AMQP 0-9-1. */
export const amqp091 = defineKind(
  amqp091Schema,
  (given, setup) =>
    lazyTransport(setup.name, async () => {
      const { createTransport } = await import('./transport.ts');
      return createTransport(withCodecDefaults(given), setup);
    }),
  (given, setup) => {
    const options = withCodecDefaults(given);
    checkSenderKey(options);
    return lazySender(async () => {
      const { createSender } = await import('./sender.ts');
      return createSender(options, setup);
    });
  },
  checkSubject,
  describe,
);
