import { randomUUID } from 'node:crypto';
import type { OutgoingMessage } from '../../../src/core/transport/sender.ts';
import {
  dataSection,
  encode,
  listenForReplies,
  openPublisher,
  publisherPerSender,
} from '../../support/amqp10.ts';
import type { Rabbitmq } from '../../support/rabbitmq-api.ts';
import { largestMessage, password, secureRabbitmq, tlsOf, user } from '../../support/secure-brokers.ts';
import { service } from '../../support/services.ts';
import { hostileMessages } from '../hostile/amqp10.ts';
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

export const amqp10: Subject = {
  ...amqp10Subject('amqp10', {
    plain: () => service('rabbitmq'),
    secure: secureRabbitmq,
    lacks: { impatient },
  }),
  needs: 'rabbitmq',
  async openWithLimit(t) {
    const opened = await amqp10Subject('limited', { plain: secureRabbitmq }).openWithCallers?.(t);
    if (opened === undefined) throw new Error('it has no callers');
    return { ...opened, tooLarge: largestMessage + 1 };
  },
};

/** RabbitMQ's AMQP 1.0 plugin. Who sent a message is proven by the user who signed in. */
export function amqp10Subject(name: string, brokers: Brokers<Rabbitmq>): ConformanceSubject {
  const { secure, options: more, lacks } = brokers;
  const openPlain = async (t: Test, options?: Record<string, unknown>) =>
    open(t, await brokers.plain(), { ...more, ...options });
  return {
    ...commonOffers({
      kind: 'amqp10',
      quick,
      brokers,
      open: (t, broker) => open(t, broker, more),
      optionsOf: ({ options }) => options,
      reconnect: (opened) => opened.signOut(),
    }),
    name,
    ...(lacks && { lacks }),
    settlesOutOfOrder: true,
    boundedByBroker: true,
    senderProof: 'user-id',
    open: openPlain,
    async openWithCallers(t) {
      const broker = await brokers.plain();
      const { vhost, send: transfer, ...opened } = await open(t, broker, more);
      await broker.request('PUT', `/queues/${vhost}/replies`, { durable: false });
      const replyTo = '/amq/queue/replies';
      const replies = await listenForReplies(t, {
        port: broker.port,
        vhost,
        user: 'guest',
        address: replyTo,
      });
      const send = (message: OutgoingMessage) => transfer(message.sender, encode(message));
      return { ...opened, send, replyTo, replies, goneReplyTo: `/amq/queue/gone-${randomUUID()}` };
    },
    async openWithHostile(t) {
      const { port } = await brokers.plain();
      const opened = await openPlain(t);
      const { vhost } = opened;
      return {
        ...opened,
        hostile: hostileMessages({ port, vhost, user: vhost, address: '/amq/queue/conductor' }),
      };
    },
    async openDeletable(t) {
      const broker = await brokers.plain();
      const opened = await openPlain(t);
      const queue = `/queues/${opened.vhost}/conductor`;
      const kind = broker.queueArguments && { arguments: broker.queueArguments };
      const theQueue = {
        delete: async () => void (await broker.request('DELETE', queue)),
        says: /conductor/,
        restore: async () => void (await broker.request('PUT', queue, { durable: true, ...kind })),
      };
      return { ...opened, deletions: { 'the queue': theQueue } };
    },
    ...(secure && {
      async openSecure(t) {
        const broker = await secure();
        const { options, vhost, ...opened } = await open(t, broker, more);
        const { ca, client } = broker.certificates;
        const everything = { configure: '.*', write: '.*', read: '.*' };
        await broker.request('PUT', `/permissions/${vhost}/${user}`, everything);
        const good = {
          ...options,
          url: `amqps://127.0.0.1:${broker.tlsPort}/${vhost}`,
          user,
          password,
          tls: tlsOf(ca, client),
        };
        const { wrong, refusals } = commonRefusals({
          kind: 'amqp10',
          good,
          certificates: broker.certificates,
        });
        return {
          ...opened,
          transport: (messages) => make('amqp10', good, messages),
          refusals: {
            ...refusals,
            'a port without TLS': wrong(
              { url: `amqps://127.0.0.1:${broker.port}/${vhost}` },
              /^url: the broker does not speak TLS/,
            ),
            'another virtual host': wrong({ virtualHost: 'nowhere' }, /virtual host .*nowhere/),
          },
        };
      },
    }),
  };
}

/** A virtual host of the case's own, with a queue. */
export async function open(t: Test, broker: Rabbitmq, more: Record<string, unknown> = {}) {
  const vhost = `conformance-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  const kind = broker.queueArguments && { arguments: broker.queueArguments };
  await broker.request('PUT', `/queues/${vhost}/conductor`, { durable: true, ...kind });
  const signIn = async (user: string) => {
    // The user guest is there. Others are the same for every test, and go with the broker.
    if (user !== 'guest') {
      await broker.request('PUT', `/users/${user}`, { password: user, tags: '' });
      const onlyWrite = { configure: '', write: '.*', read: '' };
      await broker.request('PUT', `/permissions/${vhost}/${user}`, onlyWrite);
    }
    return openPublisher({ port: broker.port, vhost, user, address: '/amq/queue/conductor' });
  };
  const { send, signOut } = publisherPerSender(signIn);
  t.teardown(async () => {
    await signOut();
    await broker.deleteVhost(vhost);
  });
  const options = { url, auth: { mode: 'user-id' }, ...more };
  return {
    vhost,
    options,
    send,
    signOut,
    transport: (messages: number, replica?: string, bytes?: number) =>
      make('amqp10', options, messages, replica, bytes),
    publish: (sender: string, body: Buffer) => send(sender, { body: dataSection(body) }),
  };
}
