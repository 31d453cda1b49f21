import { randomUUID } from 'node:crypto';
import { AckPolicy, type ConsumerConfig, jetstream, type StreamConfig } from '@nats-io/jetstream';
import { connect, createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

export const soon = () => AbortSignal.timeout(5000);

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

export function configure(options: Record<string, unknown>) {
  const configured = transportKinds.nats?.configure('nats', { kind: 'nats', ...options });
  if (configured === undefined) throw new Error('nats is a kind');
  return configured;
}

/** A transport on a stream of the test's own, with what it logs. */
export async function open(t: Test, more: Record<string, unknown> = {}) {
  const { url } = service('nats');
  const id = randomUUID();
  const settings = { url, stream: id, subject: `test.${id}.*`, ...more };
  const broker = await connect({ servers: service('nats').url, reconnect: false });
  const manager = await jetstream(broker).jetstreamManager();
  t.teardown(async () => {
    await manager.streams.delete(id).catch(() => {});
    await broker.close();
  });
  const warnings: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) });
  const transport = (messages = 100, overrides: Record<string, unknown> = {}) =>
    configure({ ...settings, ...overrides }).create({
      share: { messages, bytes: 2 ** 24 },
      replica: 'test',
      logger,
    });
  return {
    id,
    broker,
    manager,
    transport,
    warnings,
    sender: () => configure(settings).createSender({ clientName: 'test', logger }),
    async consume(messages = 100, accept = () => true, overrides = {}) {
      const deliveries: Delivery[] = [];
      const session = await transport(messages, overrides).connect((delivery) => {
        if (accept()) deliveries.push(delivery);
        return accept();
      });
      t.teardown(() => session.stop(soon()));
      return { session, deliveries };
    },
    async publish(...texts: string[]) {
      for (const text of texts) await jetstream(broker).publish(`test.${id}.guest`, text);
    },
    addStream: (config: Partial<StreamConfig> = {}) =>
      manager.streams.add({ name: id, subjects: [`test.${id}.*`], ...config }),
    addConsumer: (config: Partial<ConsumerConfig>) =>
      manager.consumers.add(id, { durable_name: 'conductor', ack_policy: AckPolicy.Explicit, ...config }),
  };
}

export const texts = (deliveries: ReadonlyArray<Delivery>) =>
  deliveries.map(({ body }) => Buffer.from(body).toString());
export const arrive = (deliveries: ReadonlyArray<unknown>, count: number, timeout = 10_000) =>
  waitFor(() => deliveries.length >= count, { what: `${count} deliveries`, timeout });

/**
 * Takes messages from the consumer `conductor` of a stream and keeps them unsettled for ten minutes, whatever the consumer's `ack_wait`
 * is. Resolves with a function that settles them.
 */
export async function holdMessages(
  broker: NatsConnection,
  stream: string,
  count: number,
): Promise<() => void> {
  const inbox = createInbox();
  const subscription = broker.subscribe(inbox, { max: count });
  const wanted = JSON.stringify({ batch: count, expires: 10_000_000_000 });
  broker.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.conductor`, wanted, { reply: inbox });
  const held: Msg[] = [];
  for await (const message of subscription) {
    if (message.headers?.hasError) throw new Error(message.headers.description);
    // Until it is to come again a message counts as unsettled. To say `+WPI` in time, a test may never be late.
    message.respond('-NAK {"delay": 600000000000}');
    held.push(message);
  }
  return () => {
    for (const { reply = '' } of held) broker.publish(reply, '+ACK');
  };
}
