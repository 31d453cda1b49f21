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
import { commonRefusals } from './refusals.ts';
import { type ConformanceSubject, commonOffers, make, type Test } from './subject.ts';

/**
 * A broker with AMQP 1.0 and no virtual hosts, which makes a queue when it is first asked for. Every sender may sign in, with its
 * name as its password.
 */
export type QueueBroker = Server & Secure & { readonly port: number };

/** What a broker does not say, and so no line of ours can. */
export interface Manners {
  /** Its plain port waits for more when a TLS client comes. */
  readonly noAnswerWithoutTls?: boolean;
  /** It closes the connection over a client certificate, or over none, without an alert of TLS. */
  readonly refusesCertificatesSilently?: boolean;
}

export function amqp10QueuesSubject(
  name: string,
  broker: () => Promise<QueueBroker>,
  { noAnswerWithoutTls = false, refusesCertificatesSilently = false }: Manners = {},
): ConformanceSubject {
  const brokers = { plain: broker, secure: broker };
  const openPlain = async (t: Test, options?: Record<string, unknown>) => open(t, await broker(), options);
  return {
    ...commonOffers({ kind: 'amqp10', brokers, openPlain, openOn: open }),
    name,
    settlesOutOfOrder: true,
    boundedByBroker: true,
    senderProof: 'user-id',
    open: openPlain,
    async openWithCallers(t) {
      const { port } = await broker();
      const { send: transfer, ...opened } = await openPlain(t);
      const replyTo = `replies-${randomUUID()}`;
      const replies = await listenForReplies(t, { port, user: 'caller', address: replyTo });
      const send = (message: OutgoingMessage) => transfer(message.sender, encode(message));
      return { ...opened, send, replyTo, replies, goneReplyTo: `gone-${randomUUID()}` };
    },
    async openSecure(t) {
      const { certificates, port, tlsPort } = await broker();
      const opened = await openPlain(t);
      const { ca, client } = certificates;
      const good = {
        ...opened.optionsOf(),
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
async function open(t: Test, { port }: QueueBroker, more: Record<string, unknown> = {}) {
  const address = `conformance-${randomUUID()}`;
  const url = `amqp://127.0.0.1:${port}`;
  const options = { url, user, password, address, auth: { mode: 'user-id' }, ...more };
  // Makes the queue: some make a topic of what is sent before anybody listens.
  const first = await make('amqp10', options, 1).connect(() => false);
  await first.stop(AbortSignal.timeout(5000));
  const { send, signOut } = publisherPerSender((user) => openPublisher({ port, user, address }));
  t.teardown(signOut);
  return {
    optionsOf: () => options,
    send,
    reconnect: signOut,
    transport: (messages: number) => make('amqp10', options, messages),
    publish: (sender: string, body: Buffer) => send(sender, { body: dataSection(body) }),
  };
}
