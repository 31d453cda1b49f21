/** The brokers as the client's tests see them: an entry for the client, and an ear and a mouth at the conductor's place. */
import { randomUUID } from 'node:crypto';
import { connect as connectAmqp } from 'amqplib';
import mqtt from 'mqtt';
import { type Client, type ConnectOptions, connect } from '../../src/public/client.ts';
import { openRabbitmq, type WireForm } from '../faults/brokers.ts';
import type { TcpProxy } from '../support/proxy.ts';
import type { Rabbitmq } from '../support/rabbitmq-api.ts';
import { service } from '../support/services.ts';

/** A message as it arrived. */
export interface Heard {
  readonly sender: string;
  readonly method: string;
  readonly args: Record<string, unknown>;
  readonly messageId: string | undefined;
  readonly replyTo: string | undefined;
  readonly correlationId: string | undefined;
  /** As the protocol says it. */
  readonly expiration: string | number | undefined;
}

/** What a call is answered with. */
export type Reply = { result: unknown } | { error: { class: string; message: string } };

export interface ClientBroker {
  readonly port: number;
  entry(proxy?: TcpProxy): ConnectOptions['transport'];
  /** Everything that has arrived since the listener listens, oldest first. */
  listen(): Promise<Heard[]>;
  reply(heard: Heard, reply: Reply): Promise<void>;
}

export interface ClientBrokerKind {
  readonly label: string;
  readonly service: 'rabbitmq' | 'mosquitto';
  readonly form: WireForm;
  /** Whether calls can be answered. */
  readonly hasProperties: boolean;
  /** Whether the broker says that nobody is there to take a message. */
  readonly tellsUnroutable: boolean;
  open(t: Test): Promise<ClientBroker>;
}

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

export const clientBrokers: ReadonlyArray<ClientBrokerKind> = [
  ...(['native', 'oslo'] as const).map((form) => ({
    label: `AMQP 0-9-1, ${form} form`,
    service: 'rabbitmq' as const,
    form,
    hasProperties: true,
    tellsUnroutable: true,
    open: (t: Test) => openAmqp(t, service('rabbitmq'), form),
  })),
  ...(
    [
      ['5', 'native'],
      ['5', 'oslo'],
      ['3.1.1', 'native'],
    ] as const
  ).map(([version, form]) => ({
    label: `MQTT ${version}, ${form} form`,
    service: 'mosquitto' as const,
    form,
    hasProperties: version === '5',
    tellsUnroutable: version === '5',
    open: async (t: Test) => openMqtt(t, version, form),
  })),
];

/** A client that tries again quickly, closed at the end of the test. */
export async function connectClient(
  t: Test,
  transport: ConnectOptions['transport'],
  options: Partial<ConnectOptions> = {},
): Promise<Client> {
  const client = await connect({ transport, sender: 'i1', reconnect: { base: 10, max: 100 }, ...options });
  t.teardown(() => client.close());
  return client;
}

export async function openAmqp(t: Test, rabbitmq: Rabbitmq, form: WireForm): Promise<ClientBroker> {
  const broker = await openRabbitmq(t, rabbitmq, form);
  const queue = form === 'oslo' ? 'trove-conductor' : 'conductor';
  const url = String(broker.entry().url);
  const connection = await connectAmqp(url);
  // Some tests end the broker.
  connection.on('error', () => {});
  t.teardown(() => connection.close().catch(() => {}));
  const channel = await connection.createConfirmChannel();
  return {
    port: rabbitmq.port,
    entry: (proxy) => ({ kind: 'amqp091', codec: form, url: proxy?.url(url) ?? url }),
    listen: async () => {
      const heard: Heard[] = [];
      await channel.consume(
        queue,
        (message) => {
          if (message === null) return;
          const { fields, properties, content } = message;
          heard.push({
            ...decode(form, content, properties),
            sender: fields.routingKey.replace('conductor.', ''),
            expiration: properties.expiration,
          });
        },
        { noAck: true },
      );
      return heard;
    },
    reply: async ({ replyTo = '', correlationId }, reply) => {
      const options = form === 'oslo' || correlationId === undefined ? {} : { correlationId };
      channel.publish('', replyTo, encodeReply(form, correlationId, reply), options);
      await channel.waitForConfirms();
    },
  };
}

function openMqtt(t: Test, version: '5' | '3.1.1', form: WireForm): ClientBroker {
  const { port, url } = service('mosquitto');
  const topic = `client-${randomUUID()}`;
  const listening = mqtt.connectAsync(url, { protocolVersion: 5 });
  t.teardown(async () => (await listening).endAsync());
  return {
    port,
    entry: (proxy) => ({
      kind: 'mqtt',
      codec: form,
      url: proxy?.url(url) ?? url,
      version,
      topic: `${topic}/+`,
    }),
    listen: async () => {
      const heard: Heard[] = [];
      const client = await listening;
      client.on('message', (name, body, { properties }) => {
        heard.push({
          ...decode(form, body, {
            messageId: properties?.userProperties?.['message-id'],
            replyTo: properties?.responseTopic,
            correlationId: properties?.correlationData?.toString('latin1'),
          }),
          sender: name.slice(name.lastIndexOf('/') + 1),
          expiration: properties?.messageExpiryInterval,
        });
      });
      await client.subscribeAsync(`${topic}/+`, { qos: 1 });
      return heard;
    },
    reply: async ({ replyTo = '', correlationId }, reply) => {
      const client = await listening;
      const body = encodeReply(form, correlationId, reply);
      const correlationData = Buffer.from(correlationId ?? '', 'latin1');
      const properties = form === 'oslo' ? {} : { correlationData };
      await client.publishAsync(replyTo, body, { qos: 1, properties });
    },
  };
}

interface Properties {
  messageId?: unknown;
  replyTo?: unknown;
  correlationId?: unknown;
}

function decode(form: WireForm, body: Buffer, properties: Properties): Omit<Heard, 'sender' | 'expiration'> {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const outer = JSON.parse(body.toString());
  if (form === 'native') {
    const { messageId, replyTo, correlationId } = properties;
    return {
      method: outer.method,
      args: outer.args,
      messageId: text(messageId ?? outer.message_id),
      replyTo: text(replyTo ?? outer.reply_to),
      correlationId: text(correlationId ?? outer.correlation_id),
    };
  }
  const { method, args, _unique_id, _reply_q, _msg_id } = JSON.parse(outer['oslo.message']);
  return { method, args, messageId: _unique_id, replyTo: _reply_q, correlationId: _msg_id };
}

/** As docs/protocol.md has it, and as oslo.messaging's server writes it. */
function encodeReply(form: WireForm, correlationId: string | undefined, reply: Reply): Buffer {
  if (form === 'native') return Buffer.from(JSON.stringify({ correlation_id: correlationId, ...reply }));
  const failure =
    'error' in reply
      ? JSON.stringify({ ...reply.error, module: 'trove', tb: [], args: [], kwargs: {} })
      : null;
  const message = JSON.stringify({
    result: 'result' in reply ? reply.result : null,
    failure,
    ending: true,
    _msg_id: correlationId,
    _unique_id: randomUUID(),
  });
  return Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': message }));
}
