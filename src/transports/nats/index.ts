import { defineKind } from '../../core/config/transport-kind.ts';
import { lazySender, lazyTransport } from '../../core/transport/lazily.ts';
import { describe } from './describe.ts';
import { checkSender, natsSchema } from './options.ts';

/** NATS with or without JetStream. */
export const nats = defineKind(
  natsSchema,
  (options, setup) =>
    lazyTransport(setup.name, async () => {
      const { createTransport } = await import('./transport.ts');
      return createTransport(options, setup);
    }),
  (options, setup) =>
    lazySender(async () => {
      const { createSender } = await import('./sender.ts');
      return createSender(options, setup);
    }),
  checkSender,
  describe,
);
