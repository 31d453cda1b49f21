import { randomUUID } from 'node:crypto';
import type { OutgoingMessage } from '../../../src/core/transport/sender.ts';
import {
  dataSection,
  encode,
  listenForReplies,
  openPublisher,
  publisherPerSender,
} from '../../support/amqp10.ts';
import { password, type Secure, tlsOf, user } from '../../support/secure-brokers.ts';
import type { Server } from '../../support/server.ts';
import { hostileMessages } from '../hostile/amqp10.ts';
import { commonRefusals } from './refusals.ts';
import { type ConformanceSubject, commonOffers, make, type Test } from './subject.ts';

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
    ...commonOffers({
      kind: 'amqp10',
      quick,
      brokers: { plain: broker, restartable: broker },
      open,
      optionsOf: ({ options }) => options,
      reconnect: (opened) => opened.signOut(),
    }),
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
      const replyTo = `replies-${randomUUID()}`;
      const replies = await listenForReplies(t, { port, user: 'caller', address: replyTo });
      const send = (message: OutgoingMessage) => transfer(message.sender, encode(message));
      return { ...opened, send, replyTo, replies, goneReplyTo: `gone-${randomUUID()}` };
    },
    async openWithHostile(t) {
      const { port } = await broker();
      const opened = await open(t, await broker());
      const { address } = opened.options;
      return { ...opened, hostile: hostileMessages({ port, user: 'guest', address }) };
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
  const { send, signOut } = publisherPerSender((user) => openPublisher({ port, user, address }));
  t.teardown(signOut);
  return {
    options,
    send,
    signOut,
    transport: (messages: number, replica?: string, bytes?: number) =>
      make('amqp10', options, messages, replica, bytes),
    publish: (sender: string, body: Buffer) => send(sender, { body: dataSection(body) }),
  };
}
