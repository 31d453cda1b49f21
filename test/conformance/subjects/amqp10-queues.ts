import { randomUUID } from 'node:crypto';
import type { Message } from 'rhea';
import type { Reply } from '../../../src/core/message/request.ts';
import type { OutgoingMessage } from '../../../src/core/transport/sender.ts';
import { dataSection, listen, openPublisher, type Publisher } from '../../support/amqp10.ts';
import { password, type Secure, tlsOf, user } from '../../support/secure-brokers.ts';
import type { Server } from '../../support/server.ts';
import { hostileMessages } from '../hostile/amqp10.ts';
import { commonRefusals } from './refusals.ts';
import { type ConformanceSubject, make, openNetwork, type Test } from './subject.ts';

/** Of both ends, in seconds and milliseconds: cases wait for it. */
const quick = { heartbeat: 1, connectTimeout: 1000 };

/**
 * A broker with AMQP 1.0 and no virtual hosts, which makes a queue when it is first asked for. Every sender may sign in, with its
 * name as its password.
 */
export type QueueBroker = Server & Secure & { readonly port: number };

/** What a broker does not say, and so no line of ours can. */
export interface Manners {
  /** Its plain port waits for more when a TLS client comes. */
  readonly noAnswerWithoutTls?: boolean;
  /** Why it does not say that a message has been delivered before. */
  readonly redelivered?: string;
  /** It closes the connection over a client certificate, or over none, without an alert of TLS. */
  readonly refusesCertificatesSilently?: boolean;
}

export function amqp10QueuesSubject(
  name: string,
  broker: () => Promise<QueueBroker>,
  { noAnswerWithoutTls = false, refusesCertificatesSilently = false, redelivered }: Manners = {},
): ConformanceSubject {
  return {
    name,
    settlesOutOfOrder: true,
    boundedByBroker: true,
    senderProof: 'user-id',
    lacks: {
      impatient: 'the broker waits for an acceptance for as long as the connection lasts',
      limit: 'the broker takes a reply of any size',
      deletable: 'AMQP 1.0 has no word for deleting a queue; each broker has its own',
      ...(redelivered !== undefined && { redelivered }),
    },
    open: async (t, options) => open(t, await broker(), options),
    async openWithCallers(t) {
      const { port } = await broker();
      const { send: transfer, ...opened } = await open(t, await broker());
      const replies: Reply[] = [];
      const replyTo = `replies-${randomUUID()}`;
      const listener = await listen({ port, user: 'caller', address: replyTo }, (message) =>
        replies.push({ body: message.body.content, correlationId: String(message.correlation_id) }),
      );
      t.teardown(() => listener.close());
      const send = ({ sender, body, messageId, replyTo, correlationId, expiration }: OutgoingMessage) =>
        transfer(sender, {
          body: dataSection(body),
          message_id: messageId,
          ...(replyTo !== undefined && { reply_to: replyTo }),
          ...(correlationId !== undefined && { correlation_id: correlationId }),
          ...(expiration !== undefined && { ttl: expiration }),
        });
      return { ...opened, send, replyTo, replies, goneReplyTo: `gone-${randomUUID()}` };
    },
    async openWithHostile(t) {
      const { port } = await broker();
      const opened = await open(t, await broker());
      const { address } = opened.options;
      return { ...opened, hostile: hostileMessages({ port, user: 'guest', address }) };
    },
    async openBehindProxy(t) {
      const { options, ...opened } = await open(t, await broker());
      const { url, network } = await openNetwork(t, options.url);
      return {
        ...opened,
        network,
        transport: (messages) => make('amqp10', { ...options, ...quick, url }, messages),
      };
    },
    async openRestartable(t) {
      const { restart } = await broker();
      const opened = await open(t, await broker());
      return { ...opened, restart: () => restart().then(opened.signOut) };
    },
    async openSecure(t) {
      const { certificates, port, tlsPort } = await broker();
      const { options, ...opened } = await open(t, await broker());
      const { ca, client } = certificates;
      const good = {
        ...options,
        url: `amqps://127.0.0.1:${tlsPort}`,
        user,
        password,
        tls: tlsOf(ca, client),
      };
      const { wrong, refusals } = commonRefusals({ kind: 'amqp10', good, certificates, mayBeCut: true });
      return {
        ...opened,
        transport: (messages) => make('amqp10', good, messages),
        refusals: {
          ...refusals,
          ...(refusesCertificatesSilently && {
            'no client certificate': wrong({ tls: tlsOf(ca) }, silence, true),
            "a stranger's client certificate": wrong(
              { tls: tlsOf(ca, certificates.impostor) },
              silence,
              true,
            ),
          }),
          ...(!noAnswerWithoutTls && {
            'a port without TLS': wrong(
              { url: `amqps://127.0.0.1:${port}` },
              /^url: the broker does not speak TLS/,
            ),
          }),
        },
      };
    },
    async openForProcesses(t) {
      const { options, ...opened } = await open(t, await broker());
      const module = new URL('../../../src/transports/amqp10/index.ts', import.meta.url).href;
      const replica = (replica: string, messages: number) => ({
        module,
        exported: 'amqp10',
        options: { kind: 'amqp10', ...options },
        messages,
        replica,
      });
      return { ...opened, replica };
    },
  };
}

const silence = /^the broker closed the connection before it was open: .*tls\.cert and tls\.key/;

/** A queue of the case's own. */
export async function open(t: Test, { port }: QueueBroker, more: Record<string, unknown> = {}) {
  const address = `conformance-${randomUUID()}`;
  const url = `amqp://127.0.0.1:${port}`;
  const options = { url, user, password, address, auth: { mode: 'user-id' }, ...more };
  // Makes the queue: some make a topic of what is sent before anybody listens.
  const first = await make('amqp10', options, 1).connect(() => false);
  await first.stop(AbortSignal.timeout(5000));
  const publishers = new Map<string, Promise<Publisher>>();
  const signOut = async () => {
    const all = [...publishers.values()];
    publishers.clear();
    for (const publisher of all) await (await publisher).close();
  };
  t.teardown(signOut);
  const send = async (sender: string, message: Message) => {
    const publisher = publishers.get(sender) ?? openPublisher({ port, user: sender, address });
    publishers.set(sender, publisher);
    await (await publisher).send({ user_id: sender, durable: true, ...message });
  };
  return {
    options,
    send,
    signOut,
    transport: (messages: number, replica?: string, bytes?: number) =>
      make('amqp10', options, messages, replica, bytes),
    publish: (sender: string, body: Buffer) => send(sender, { body: dataSection(body) }),
  };
}
