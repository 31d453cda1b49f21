import { defineKind, type TransportSetup } from '../../core/config/transport-kind.ts';
import type { KeptSession } from '../../core/transport/contract.ts';
import { lazySender, lazyTransport } from '../../core/transport/lazily.ts';
import { describe } from './describe.ts';
import { checkSenderTopic, checkSubject, type MqttOptions, mqttSchema } from './options.ts';

/** Brokers that speak MQTT 5 or 3.1.1, at QoS 1. */
export const mqtt = defineKind(
  mqttSchema,
  (options, setup) => {
    const kept = keptSession(options, setup);
    const load = async () => {
      const { createTransport } = await import('./transport.ts');
      return createTransport(options, setup, kept);
    };
    return lazyTransport(setup.name, load, kept);
  },
  (options, setup) => {
    checkSenderTopic(options);
    return lazySender(async () => {
      const { createSender } = await import('./sender.ts');
      return createSender(options, setup);
    });
  },
  checkSubject,
  describe,
);

function keptSession(
  { clientId, shared, group, topic }: MqttOptions,
  { replica, name }: TransportSetup,
): KeptSession {
  return {
    clientId: clientId || `conductor-${replica}-${name}`,
    subscription: shared ? `$share/${group}/${topic}` : topic,
  };
}
