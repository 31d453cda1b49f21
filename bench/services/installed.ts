import { findMosquitto } from '../../test/support/mosquitto.ts';
import { findNats } from '../../test/support/nats.ts';
import { findRabbitmq } from '../../test/support/rabbitmq.ts';
import type { BenchTransport } from '../brokers/index.ts';

const programs: Record<BenchTransport, readonly [name: string, find: () => string | undefined]> = {
  amqp091: ['rabbitmq-server', findRabbitmq],
  amqp10: ['rabbitmq-server', findRabbitmq],
  mqtt: ['mosquitto', findMosquitto],
  nats: ['nats-server', findNats],
};

/** The kinds whose private broker can be started; if none can, MQTT over the broker of the demo. */
export function runnable(kinds: ReadonlyArray<BenchTransport>): ReadonlyArray<BenchTransport> {
  const installed = kinds.filter((kind) => missingFor(kind) === undefined);
  return installed.length === 0 && kinds.includes('mqtt') ? ['mqtt'] : installed;
}

/** What a private broker of this kind lacks; undefined if it can be started. */
export function missingFor(transport: BenchTransport): string | undefined {
  const [name, find] = programs[transport];
  return find() === undefined
    ? `${name} is not installed; name a broker of your own with --broker`
    : undefined;
}
