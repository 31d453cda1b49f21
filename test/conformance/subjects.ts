import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import mqtt from 'mqtt';
import { pino } from 'pino';
import type { TransportContext } from '../../src/core/config/transport-kind.ts';
import type { Transport } from '../../src/core/contracts.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { type ServiceName, service } from '../support/services.ts';

/** The transports that the suite is run on, each with a broker beside it that the suite can publish on. */

export interface Subject {
  readonly name: string;
  readonly needs: ServiceName;
  /** False: what is settled behind something that is not waits with it, and may come again. */
  readonly settlesOutOfOrder: boolean;
  /** Whether the protocol can tell the broker how much may be in flight. */
  readonly boundedByBroker: boolean;
  open(t: Test, options?: Record<string, unknown>): Promise<Opened>;
}

/** A queue of the test's own. */
export interface Opened {
  /** A transport with this bound, of a replica with this name. */
  transport(messages: number, replica?: string): Transport;
  /** Resolves once the broker has the message. */
  publish(sender: string, body: Buffer): Promise<void>;
}

interface Test {
  teardown(end: () => Promise<unknown>): void;
}

export function make(
  kind: 'amqp091' | 'mqtt',
  options: Record<string, unknown>,
  messages: number,
): Transport {
  const context: Omit<TransportContext, 'name'> = {
    share: { messages, bytes: 2 ** 24 },
    replica: 'conformance',
    logger: pino({ level: 'silent' }),
  };
  const configured = transportKinds[kind]?.configure(kind, { kind, ...options });
  if (configured === undefined) throw new Error(`${kind} is not a kind`);
  return configured.create(context);
}

const amqp091: Subject = {
  name: 'amqp091',
  needs: 'rabbitmq',
  settlesOutOfOrder: true,
  boundedByBroker: true,
  async open(t, options = {}) {
    const broker = service('rabbitmq');
    const vhost = `conformance-${randomUUID()}`;
    const url = await broker.createVhost(vhost);
    const connection = await connect(url);
    const channel = await connection.createConfirmChannel();
    t.teardown(async () => {
      await connection.close();
      await broker.deleteVhost(vhost);
    });
    const settings = { url, auth: { mode: 'subject' }, ...options };
    // Makes the queue, so that nothing is published into the void.
    const first = await make('amqp091', settings, 1).connect(() => false);
    await first.stop(AbortSignal.timeout(5000));
    return {
      transport: (messages) => make('amqp091', settings, messages),
      async publish(sender, body) {
        channel.publish('conductor', `conductor.${sender}`, body, { persistent: true });
        await channel.waitForConfirms();
      },
    };
  },
};

function mqttSubject(version: '5' | '3.1.1'): Subject {
  return {
    name: `mqtt ${version}`,
    needs: 'mosquitto',
    settlesOutOfOrder: false,
    boundedByBroker: version === '5',
    async open(t, options = {}) {
      const { url } = service('mosquitto');
      const topic = `conformance/${randomUUID()}`;
      const publisher = await mqtt.connectAsync(url);
      const id = randomUUID();
      // Brokers keep messages for sessions that exist.
      const first = await mqtt.connectAsync(url, {
        clientId: `${id}-one`,
        clean: false,
        ...(version === '5'
          ? { protocolVersion: 5, properties: { sessionExpiryInterval: 3600 } }
          : { protocolVersion: 4 }),
      });
      await first.subscribeAsync(`$share/conformance/${topic}/+`, { qos: 1 });
      await first.endAsync();
      const settings = {
        url,
        version,
        topic: `${topic}/+`,
        group: 'conformance',
        // What is refused waits in the socket for a quarter of it; then the session ends, which is another story.
        keepalive: 120,
        auth: { mode: 'subject' },
        ...options,
      };
      const transport = (messages: number, replica = 'one') =>
        make('mqtt', { ...settings, clientId: `${id}-${replica}` }, messages);
      t.teardown(async () => {
        await publisher.endAsync();
        // Ends the session that the broker keeps, with whatever the test has left in it.
        const ending = make('mqtt', { ...settings, keepSession: false, clientId: `${id}-one` }, 1000);
        const last = await ending.connect((delivery) => {
          setImmediate(() => delivery.session.settle([delivery], 'done'));
          return true;
        });
        const deadline = AbortSignal.timeout(5000);
        await last.drain(deadline);
        await last.stop(deadline);
      });
      return {
        transport,
        publish: async (sender, body) =>
          void (await publisher.publishAsync(`${topic}/${sender}`, body, { qos: 1 })),
      };
    },
  };
}

export const subjects: ReadonlyArray<Subject> = [amqp091, mqttSubject('5'), mqttSubject('3.1.1')];
