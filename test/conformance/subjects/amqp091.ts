import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import type { Reply } from '../../../src/core/message/request.ts';
import type { OutgoingMessage } from '../../../src/core/transport/sender.ts';
import type { Rabbitmq } from '../../support/rabbitmq-api.ts';
import { largestMessage, password, secureRabbitmq, tlsOf, user } from '../../support/secure-brokers.ts';
import { service } from '../../support/services.ts';
import { hostileMessages } from '../hostile/amqp091.ts';
import { commonRefusals } from './refusals.ts';
import {
  type Brokers,
  type ConformanceSubject,
  commonOffers,
  make,
  type Subject,
  type Test,
} from './subject.ts';

/** Of both ends, in seconds and milliseconds: cases wait for it. */
const quick = { heartbeat: 1, connectTimeout: 1000 };

const impatient = 'RabbitMQ looks once a minute for what has been held for too long (consumer_timeout)';

export const amqp091: Subject = {
  ...amqp091Subject('amqp091', {
    plain: () => service('rabbitmq'),
    secure: secureRabbitmq,
    lacks: { impatient },
  }),
  needs: 'rabbitmq',
  async openWithLimit(t) {
    const opened = await amqp091Subject('limited', { plain: secureRabbitmq }).openWithCallers?.(t);
    if (opened === undefined) throw new Error('it has no callers');
    return { ...opened, tooLarge: largestMessage + 1 };
  },
};

export function amqp091Subject(name: string, brokers: Brokers<Rabbitmq>): ConformanceSubject {
  const { secure, options: more, lacks } = brokers;
  const openPlain = async (t: Test, options?: Record<string, unknown>) =>
    open(t, await brokers.plain(), { ...more, ...options });
  return {
    ...commonOffers({
      kind: 'amqp091',
      quick,
      brokers,
      open: (t, broker) => open(t, broker, more),
      optionsOf: ({ options }) => options,
      reconnect: (opened) => opened.reconnect(),
    }),
    name,
    ...(lacks && { lacks }),
    settlesOutOfOrder: true,
    boundedByBroker: true,
    open: openPlain,
    async openWithCallers(t) {
      const { channel, ...opened } = await openPlain(t);
      const replies: Reply[] = [];
      const { queue: replyTo } = await channel.assertQueue('', { exclusive: true });
      await channel.consume(
        replyTo,
        (message) =>
          message && replies.push({ body: message.content, correlationId: message.properties.correlationId }),
        { noAck: true },
      );
      const send = async ({
        sender,
        body,
        messageId,
        replyTo,
        correlationId,
        expiration,
      }: OutgoingMessage) => {
        channel.publish('conductor', `conductor.${sender}`, Buffer.from(body), {
          messageId,
          ...(correlationId !== undefined && { correlationId }),
          ...(replyTo !== undefined && { replyTo }),
          ...(expiration !== undefined && { expiration: String(expiration) }),
        });
        await channel.waitForConfirms();
      };
      return { ...opened, send, replyTo, replies, goneReplyTo: `gone-${randomUUID()}` };
    },
    async openWithHostile(t) {
      const opened = await openPlain(t);
      return { ...opened, hostile: hostileMessages(opened.options.url, 'conductor.guest') };
    },
    async openDeletable(t) {
      const broker = await brokers.plain();
      const opened = await openPlain(t);
      const remove = async () => void (await broker.request('DELETE', `/queues/${opened.vhost}/conductor`));
      return {
        ...opened,
        deletions: { 'the queue': { delete: remove, says: /queue conductor, which was deleted/ } },
      };
    },
    ...(secure && {
      async openSecure(t) {
        const broker = await secure();
        const { options, ...opened } = await open(t, broker, more);
        const { ca, client } = broker.certificates;
        const { pathname } = new URL(options.url);
        const vhost = decodeURIComponent(pathname.slice(1));
        const everything = { configure: '.*', write: '.*', read: '.*' };
        await broker.request('PUT', `/permissions/${vhost}/${user}`, everything);
        const good = {
          ...options,
          url: `amqps://127.0.0.1:${broker.tlsPort}${pathname}`,
          user,
          password,
          tls: tlsOf(ca, client),
        };
        const { wrong, refusals } = commonRefusals({
          kind: 'amqp091',
          good,
          certificates: broker.certificates,
        });
        return {
          ...opened,
          transport: (messages) => make('amqp091', good, messages),
          refusals: {
            ...refusals,
            'a port without TLS': wrong(
              { url: `amqps://127.0.0.1:${broker.port}${pathname}` },
              /^url: the broker does not speak TLS/,
            ),
            'another virtual host': wrong(
              { url: `amqps://127.0.0.1:${broker.tlsPort}/nowhere` },
              /virtual host in url, nowhere/,
            ),
          },
        };
      },
    }),
  };
}

/** A virtual host of the case's own. */
export async function open(t: Test, broker: Rabbitmq, more: Record<string, unknown> = {}) {
  const vhost = `conformance-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  let { connection, channel } = await openChannel(url);
  t.teardown(async () => {
    await connection.close();
    await broker.deleteVhost(vhost);
  });
  const { queueArguments = {} } = broker;
  const options = { url, queueArguments, auth: { mode: 'subject' }, ...more };
  // Makes the queue, so that nothing is published into the void.
  const first = await make('amqp091', options, 1).connect(() => false);
  await first.stop(AbortSignal.timeout(5000));
  return {
    vhost,
    options,
    channel,
    reconnect: async () => {
      ({ connection, channel } = await openChannel(url));
    },
    transport: (messages: number, replica?: string, bytes?: number) =>
      make('amqp091', options, messages, replica, bytes),
    async publish(sender: string, body: Buffer) {
      channel.publish('conductor', `conductor.${sender}`, body, { persistent: true });
      await channel.waitForConfirms();
    },
  };
}

async function openChannel(url: string) {
  const connection = await connect(url);
  // A broker that is restarted ends it.
  connection.on('error', () => {});
  return { connection, channel: await connection.createConfirmChannel() };
}
