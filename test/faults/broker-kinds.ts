import { service } from '../support/services.ts';
import { openMosquitto, openRabbitmq, openRabbitmqAmqp10, type Test, type TestBroker } from './brokers.ts';
import { openNats } from './nats-broker.ts';

export interface BrokerKind {
  readonly label: string;
  readonly service: 'rabbitmq' | 'mosquitto' | 'nats';
  /** Room of the test's own on the broker of this run. */
  open(t: Test): Promise<TestBroker>;
}

/** Each transport with a wire form that its guests use: the same test for each. */
export const brokerKinds: ReadonlyArray<BrokerKind> = [
  { label: 'AMQP 0-9-1', service: 'rabbitmq', open: (t) => openRabbitmq(t, service('rabbitmq'), 'oslo') },
  { label: 'AMQP 1.0', service: 'rabbitmq', open: (t) => openRabbitmqAmqp10(t, service('rabbitmq')) },
  { label: 'MQTT 5', service: 'mosquitto', open: async () => openMosquitto(service('mosquitto')) },
  { label: 'NATS', service: 'nats', open: () => openNats(service('nats')) },
];
